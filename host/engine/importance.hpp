// Importance of weights: how much the squared error of each counts in clustering, from a file of the user's.
//
// * The file's tensor of the same name has the shape of the weights, or one number per output channel (the first axis).
// * Numbers are finite, not negative and not all zero; they are checked as they are read, so a large file is never in memory
//   whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "weft/network.hpp"

namespace weft::engine {

// What says how important the units of a tensor are.
class Importance {
 public:
  // Throws Error(kConfig) when the file has no such tensor, or one of another shape, of no floating type or of zeros only.
  Importance(std::shared_ptr<const Network> file, const TensorInfo& weights);

  // Of units [first, first + out.size()). Throws Error(kInput) for a number that is none.
  void read(std::uint64_t first, std::span<float> out) const;

 private:
  [[nodiscard]] bool is_zero() const;
  void read_entries(std::uint64_t first, std::span<float> out) const;

  std::shared_ptr<const Network> file_;
  std::size_t tensor_ = 0;
  std::uint64_t units_per_entry_ = 1;
};

// The files that rules name, each opened once.
class ImportanceFiles {
 public:
  // Throws Error(kConfig) for one that cannot be opened, with the number of the rule.
  [[nodiscard]] std::shared_ptr<const Importance> find(const std::filesystem::path& path, const TensorInfo& weights,
                                                       int rule);

 private:
  std::map<std::filesystem::path, std::shared_ptr<const Network>> files_;
};

}  // namespace weft::engine
