// The part of a decode batch whose planes are coded by class: to symbols, from which the blocks are decoded as from raw planes.
//
// * What a stream's scales say goes to the device once for a batch, a segment's tables once for a segment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/class_tables.hpp"
#include "backends/cuda/device.hpp"

namespace weft::cuda {

// Whether a device can decode planes by the classes of these units.
[[nodiscard]] bool fits_device(const Scales& scales, const cpu::DifferentTables& tables);

class ClassBatch {
 public:
  // A plane of this item's, whose view stays where it is, is decoded by this job; those of an item come one after another.
  void add(std::size_t item, const SegmentView& view, std::uint32_t job);

  // Places everything in the upload. take(bytes, alignment) answers with an offset.
  void place(const std::function<std::size_t(std::size_t bytes, std::size_t alignment)>& take);
  void fill(std::byte* upload, std::uint8_t* device) const;
  // Queues the kernel; status[i] answers job i.
  void launch(Queue& queue, std::byte* device, const core::BlockJob* jobs, std::uint32_t* status) const;

 private:
  struct Stream {
    const Scales* scales;
    std::vector<std::size_t> codes;  // in the upload, of each factor
    std::size_t at = 0;
  };
  struct Segment {
    std::size_t item, stream;
    int lowest;
    cpu::DifferentTables tables;
    std::size_t frequencies = 0, numbers = 0;  // in the upload
  };
  struct Group {
    std::size_t segment;
    std::uint32_t first_job, job_count;
  };

  [[nodiscard]] std::size_t find_stream(const Scales& scales);

  std::vector<Stream> streams_;
  std::map<const Scales*, std::size_t> stream_numbers_;
  std::vector<Segment> segments_;
  std::vector<Group> groups_;
  std::size_t groups_begin_ = 0;
};

}  // namespace weft::cuda
