// The part of a decode batch that is trellis-coded: its streams' tables and codes, its groups and jobs.
//
// Read me first:
// * Blocks of a segment form a group: thread blocks keep its tables in shared memory. Tables beyond
//   kMostRowBytes (predictive streams over some 25 classes) do not fit there, and their blocks stay with the CPU.
// * What a stream needs goes to the device once for a batch, however many of its segments are in it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "archive/block.hpp"
#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"
#include "backends/cuda/trellis_upload.hpp"

namespace weft::cuda {

class TrellisBatch {
 public:
  // Takes a block of a segment if a device can decode it, and numbers its job. Blocks of a segment come one after another.
  // `item` tells segments apart; `outside`: its units go to the caller's memory.
  [[nodiscard]] std::optional<std::uint32_t> add(std::size_t item, const SegmentView& view,
                                                 const archive::BlockView& planes, bool outside);
  [[nodiscard]] std::uint32_t job_count() const noexcept { return jobs_; }

  // Places everything in the upload. take(bytes, alignment) answers with an offset.
  void place(const std::function<std::size_t(std::size_t bytes, std::size_t alignment)>& take);
  // All but the jobs.
  void fill(std::byte* upload, std::uint8_t* device) const;
  // A block's place: its units' offset, its first element of the stream, its units.
  struct Destination {
    std::uint64_t out, first_element;
    std::uint32_t units;
  };
  // The job of a block that begins at `stored` here and at `device` there.
  void fill_job(std::byte* upload, std::uint32_t number, const SegmentView& view, const archive::BlockView& planes,
                const std::byte* stored, std::uint8_t* device, const Destination& to) const;
  // Queues the kernels; status[i] answers job i.
  void launch(Queue& queue, std::byte* device, std::byte* outside, std::uint32_t* status) const;

 private:
  // Tables of one shape, for a range of classes.
  struct Rows {
    const Shape* shape;
    bool keeps_zero, predicts;
    int lowest, highest;
    std::uint32_t reach;  // of the widest class
    std::size_t at = 0;   // in the upload, like all that follows
    [[nodiscard]] std::uint32_t words() const noexcept;
    [[nodiscard]] std::uint32_t count() const noexcept;
    [[nodiscard]] std::uint32_t map_bytes() const noexcept;    // 0: not decoded by maps
    [[nodiscard]] std::uint32_t exact_bytes() const noexcept;  // 0: not decoded by exact rows
  };
  struct Stream {
    const TrellisStream* stream;
    DType dtype;
    std::optional<std::size_t> rows;  // none: not for a device
    std::size_t parameters = 0;
    TrellisUpload scales{};
  };
  struct Group {
    std::size_t item, stream;
    std::array<std::int8_t, 3> corrections;
    std::uint32_t first_job, job_count, jobs_before;
  };
  struct Groups {
    std::vector<Group> groups;
    std::uint32_t jobs = 0;
  };
  using GroupsOfOps = std::array<Groups, 2 * kTrellisOps>;  // by the op, then those by maps or exact rows

  [[nodiscard]] std::size_t find_stream(const SegmentView& view);
  [[nodiscard]] std::optional<std::size_t> find_rows(const SegmentView& view);
  void fill_stream(const Stream& stream, std::byte* upload, std::uint8_t* device) const;
  void add_groups(const GroupsOfOps& from, core::TrellisGroup*& to, std::uint8_t* device) const;
  [[nodiscard]] TrellisGroups launched(const Groups& groups, const core::TrellisGroup* on_device) const;

  std::vector<Rows> rows_;
  std::vector<Stream> streams_;
  GroupsOfOps groups_, outside_groups_;
  std::uint32_t jobs_ = 0, group_count_ = 0;
  std::size_t jobs_begin_ = 0, groups_begin_ = 0;
};

}  // namespace weft::cuda
