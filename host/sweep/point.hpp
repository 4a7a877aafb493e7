// One point of a rate-distortion curve: a network compressed for real, and what its archive restores compared with it.
//
// Two sets of figures: of the whole archive, and of the tensors concerned, those whose rule has a lossy codec (whatever
// became of them), whose type can be quantized and which are not all zero. Their rate is what the archive has beyond the
// blocks of everything else: index, tables, names and alignment all count.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "weft/config.hpp"
#include "weft/engine.hpp"
#include "weft/network.hpp"

namespace weft::sweep {

struct PointFigures {
  std::uint64_t weights = 0;  // concerned
  double bits_per_weight = 0;
  double normalised_mse = 0;  // mean over the weights of squared error over the mean square of their tensor
  std::optional<double> sqnr_db;
  std::uint64_t archive_bytes = 0;
  std::optional<double> archive_bits_per_weight, archive_sqnr_db, ratio;
  double encode_mw_s = 0, decode_mw_s = 0;  // all weights, in millions per second and thread
  double compress_seconds = 0, verify_seconds = 0;
};

// Writes the archive to `work`, which is gone afterwards. Throws what compress() and verify() throw.
[[nodiscard]] PointFigures measure_point(const Network& network, const Config& config,
                                         const std::filesystem::path& work, const RunOptions& options);

// As in the files of a sweep; null where a figure is undefined or infinite.
[[nodiscard]] nlohmann::ordered_json to_json(const PointFigures& figures);

}  // namespace weft::sweep
