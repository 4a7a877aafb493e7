// What the index says of scales: the base class and the factors of a stream, trellis or not, and the frequency tables that a
// segment has by class.
#pragma once

#include "archive/index_state.hpp"
#include "archive/numbers.hpp"
#include "trellis/scales.hpp"
#include "weft/archive.hpp"

namespace weft::archive {

// dimensions: those that the factors' axes are of.
void put_base_class(NumberWriter& out, const Scales& scales, LastStream& last);
void put_factors(NumberWriter& out, const Scales& scales, const std::vector<std::uint64_t>& dimensions,
                 LastStream& last);

// Of a stream that is not a trellis's. shape: of its tensor.
void put_scales(NumberWriter& out, const Scales& scales, const std::vector<std::uint64_t>& shape, LastStream& last);
void put_class_tables(NumberWriter& out, const SegmentRecord& segment, LastStream& last);

// The readers check everything.
void read_base_class(NumberReader& in, LastStream& last, Scales& scales);
[[nodiscard]] std::size_t read_factor_count(NumberReader& in, Field field);
void read_factors(NumberReader& in, std::size_t count, std::uint64_t units,
                  const std::vector<std::uint64_t>& dimensions, LastStream& last, Scales& scales);
void read_scales(NumberReader& in, const std::vector<std::uint64_t>& shape, LastStream& last, StreamRecord& stream);
// classes: those that the stream's units may have.
void read_class_tables(NumberReader& in, trellis::ClassRange classes, std::span<const FrequencyTable> tables,
                       LastStream& last, SegmentRecord& segment);

}  // namespace weft::archive
