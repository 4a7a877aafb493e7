#include "backends/cpu/compared_books.hpp"

#include <algorithm>

#include "backends/cpu/kernels.hpp"
#include "cluster/boundaries.hpp"
#include "cluster/vector_scale.hpp"

namespace weft::cpu {
namespace {

std::vector<float> restored_values(DType dtype, const Codebook& book) {
  const Kernels& kernels = active_kernels();
  std::vector<std::byte> units(book.values.size() * static_cast<std::size_t>(unit_bytes(dtype)));
  std::vector<float> restored(book.values.size());
  kernels.from_float(dtype, book.values.data(), book.values.size(), units.data());
  kernels.to_float(dtype, units.data(), book.values.size(), restored.data());
  return restored;
}

}  // namespace

core::ScalarBook ComparedScalars::at(const float* entries_there, const float* upper_there) const {
  core::ScalarBook book = rest;
  book.entries = entries_there;
  book.upper = upper_there;
  return book;
}

ComparedScalars compare_scalars(DType dtype, const Codebook& book, bool pin_zero) {
  ComparedScalars compared;
  compared.entries = restored_values(dtype, book);
  const std::vector<double> entries(compared.entries.begin(), compared.entries.end());
  cluster::SearchThresholds thresholds = cluster::search_thresholds(entries, {}, 0);
  compared.upper = std::move(thresholds.upper);
  const auto zero = std::find(entries.begin(), entries.end(), 0.0);
  compared.rest.bit_price = book.bit_price;
  compared.rest.count = static_cast<std::uint32_t>(entries.size());
  compared.rest.zero = pin_zero && zero != entries.end() ? static_cast<std::int32_t>(zero - entries.begin()) : -1;
  compared.rest.log2 = thresholds.log2;
  return compared;
}

core::VectorBook ComparedVectors::at(const float* entries_there, const float* biases_there) const {
  core::VectorBook book = rest;
  book.entries.values = entries_there;
  book.entries.biases = biases_there;
  return book;
}

ComparedVectors compare_vectors(DType dtype, const Codebook& book) {
  ComparedVectors compared;
  compared.entries = restored_values(dtype, book);
  const cluster::VectorScale scale(compared.entries);
  scale.apply(compared.entries);
  compared.biases = scale.biases(compared.entries, book.dimension, book.bits, book.bit_price);
  core::Entries& entries = compared.rest.entries;
  entries.count = static_cast<std::uint32_t>(book.entries());
  entries.largest_value = cluster::largest_magnitude(compared.entries);
  entries.largest_bias = cluster::largest_magnitude(compared.biases);
  compared.rest.factor = static_cast<float>(scale.factor());
  const std::size_t whole = core::whole_chunks(entries.count);
  compared.entries.resize(whole * book.dimension);
  compared.biases.resize(whole, core::kFarScore);
  return compared;
}

}  // namespace weft::cpu
