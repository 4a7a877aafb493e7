// The codebooks of an encode batch: what a device compares weights with, and the memory that searching takes.
//
// * A codebook goes to the device once for a batch, however many segments use it. Segments list those of the groups
//   that occur in them.
// * Where bits have a price, a segment has thresholds of its own: prices follow from what it counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <tuple>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/compared_books.hpp"
#include "backends/cuda/device.hpp"

namespace weft::cuda {

class EncodeBooks {
 public:
  using Take = std::function<std::size_t(std::size_t bytes, std::size_t alignment)>;  // answers with an offset

  // Numbers a segment of codec codebook, which is borrowed.
  [[nodiscard]] std::size_t add(const SegmentView& view, bool pin_zero);
  [[nodiscard]] bool has_price(std::size_t segment) const;

  // Places what goes to the device, and what is only there.
  void place_upload(const Take& take);
  void place_scratch(const Take& take);
  void fill(std::byte* upload, std::uint8_t* device) const;
  void fill_job(std::size_t segment, std::uint8_t* device, core::SegmentJob& job) const;

  // Whether some segment has vectors, with one codebook or with one for each group.
  [[nodiscard]] bool has_vectors() const { return has_vectors_; }
  [[nodiscard]] bool has_groups_of_vectors() const { return has_groups_of_vectors_; }
  // Queues the search for the vectors of segments with one codebook.
  void search(Queue& queue, std::uint8_t* device) const;

 private:
  // One of the two. Behind a core::ScalarBook and the entries are thresholds, or biases.
  struct Book {
    cpu::ComparedScalars scalars;
    cpu::ComparedVectors vectors;
    std::size_t head = 0, entries = 0, rest = 0;
  };
  // Of a group that occurs.
  struct Use {
    std::uint32_t group;
    std::size_t book;
    std::size_t room = 0;  // crossings, chain and thresholds of a price
  };
  struct Segment {
    const SegmentView* view;
    std::vector<Use> uses;
    std::size_t list = 0;  // of the groups from the first to the last: core::IndexChoice or core::VectorBook
    std::size_t vectors = 0, nearest = 0, unsettled = 0;

    [[nodiscard]] std::uint32_t first_group() const { return uses.front().group; }
    [[nodiscard]] std::uint32_t listed() const { return uses.back().group - uses.front().group + 1; }
  };

  [[nodiscard]] std::size_t find_book(const Codebook& codebook, DType dtype, bool pin_zero);
  [[nodiscard]] core::VectorBook vector_book(const Book& book, const std::uint8_t* device) const;
  [[nodiscard]] core::IndexChoice choice(const Use& use, std::uint8_t* device) const;

  std::vector<Book> books_;
  std::map<std::tuple<const Codebook*, DType, bool>, std::size_t> book_numbers_;
  std::vector<Segment> segments_;
  bool has_vectors_ = false, has_groups_of_vectors_ = false;
};

}  // namespace weft::cuda
