// The kernels of every Warp model on this machine, side by side, one thread, data in cache.
#include <cstring>

#include "backends/cpu/kernels.hpp"
#include "data.hpp"
#include "suites.hpp"
#include "timing.hpp"
#include "weft/core/frequency.hpp"
#include "weft/core/rans_decode.hpp"

namespace weft::bench {
namespace {

using cpu::Kernels;

constexpr std::uint32_t kSymbols = 1u << 16;  // one block

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Kernels* kernels : cpu::available_kernels()) names.emplace_back(kernels->name);
  return names;
}

struct Coded {
  std::vector<std::uint8_t> symbols;
  core::EncodeTable encode_table{};
  std::vector<std::uint32_t> decode_table = std::vector<std::uint32_t>(core::kProbScale);

  explicit Coded(std::vector<std::uint8_t> s) : symbols(std::move(s)) {
    std::uint64_t counts[256] = {};
    for (const auto symbol : symbols) counts[symbol]++;
    std::uint16_t frequencies[256];
    core::normalise(counts, frequencies);
    core::build_encode_table(frequencies, encode_table);
    core::build_decode_table(frequencies, decode_table.data());
  }
};

void add_rans_rows(Table& encode, Table& decode, const std::string& source, const Coded& coded) {
  const auto n = static_cast<std::uint32_t>(coded.symbols.size());
  const std::string name = fmt::format("{}, {:.2f} bits", source, entropy(coded.symbols));
  std::vector<std::uint16_t> words(core::encode_bound_words(n));
  std::vector<std::uint8_t> decoded(n);
  std::vector<double> encode_rates, decode_rates;
  for (const Kernels* kernels : cpu::available_kernels()) {
    std::uint32_t count = 0;
    std::uint16_t* end = words.data() + words.size();
    encode_rates.push_back(n / 1e9 / fastest([&] {
                             count = kernels->rans_encode(coded.symbols.data(), n, core::kLanesLog2, coded.encode_table,
                                                          end);
                           }));
    bool intact = true;
    decode_rates.push_back(n / 1e9 / fastest([&] {
                             intact &=
                                 kernels->rans_decode(end - count, count, core::kLanesLog2, coded.decode_table.data(),
                                                      n, decoded.data()) == core::Status::kOk;
                           }));
    if (!intact || decoded != coded.symbols) throw std::runtime_error(name + ": decoded to something else");
  }
  encode.add(name, std::move(encode_rates));
  decode.add(name, std::move(decode_rates));
}

// Calls f with each kernel set; a row of bytes / f's time.
template <class F>
void add_row(Table& table, const std::string& name, double bytes, F f) {
  std::vector<double> rates;
  for (const Kernels* kernels : cpu::available_kernels())
    rates.push_back(bytes / 1e9 / fastest([&] { f(*kernels); }, 0.1));
  table.add(name, std::move(rates));
}

Table plain_kernels() {
  Table table("Other kernels, GB/s of units or bytes", "GB/s", model_names());
  const auto weights = bf16_weights(kSymbols, 3);
  std::vector<std::byte> units(8 * std::size_t{kSymbols}), back(units.size());
  for (std::size_t at = 0; at < units.size(); at += 2 * weights.size())
    std::memcpy(units.data() + at, weights.data(), 2 * weights.size());
  std::vector<std::vector<std::uint8_t>> storage(8, std::vector<std::uint8_t>(kSymbols));
  std::uint8_t* planes[8];
  for (std::size_t p = 0; p < 8; p++) planes[p] = storage[p].data();
  for (const int size : {2, 4, 8}) {
    const double bytes = static_cast<double>(kSymbols) * size;
    add_row(table, fmt::format("split, {}-byte floats", size), bytes,
            [&](const Kernels& k) { k.split(units.data(), kSymbols, size, true, planes); });
    add_row(table, fmt::format("merge, {}-byte floats", size), bytes,
            [&](const Kernels& k) { k.merge(planes, kSymbols, size, true, back.data()); });
  }
  std::uint64_t counts[256] = {};
  add_row(table, "histogram", kSymbols, [&](const Kernels& k) { k.histogram(planes[0], kSymbols, counts); });
  add_row(table, "CRC-32C", static_cast<double>(units.size()), [&](const Kernels& k) {
    counts[0] += k.crc32c(reinterpret_cast<const std::uint8_t*>(units.data()), units.size());
  });
  std::vector<float> values(kSymbols);
  std::vector<std::int32_t> fixed(kSymbols);
  for (const auto& [name, dtype, size] : {std::tuple{"BF16", DType::kBF16, 2}, {"F16", DType::kF16, 2}}) {
    const double bytes = static_cast<double>(kSymbols) * size;
    add_row(table, fmt::format("{} to float32", name), bytes,
            [&, type = dtype](const Kernels& k) { k.to_float(type, units.data(), kSymbols, values.data()); });
    add_row(table, fmt::format("float32 to {}", name), bytes,
            [&, type = dtype](const Kernels& k) { k.from_float(type, values.data(), kSymbols, back.data()); });
  }
  add_row(table, "float32 to fixed point", 4.0 * kSymbols,
          [&](const Kernels& k) { k.to_fixed(values.data(), kSymbols, 50.0f, 1 << 18, fixed.data()); });
  std::vector<std::int32_t> thresholds(257);
  for (std::int32_t i = 0; i < 257; i++) thresholds[static_cast<std::size_t>(i)] = (i - 129) * 1024 + 512;
  add_row(table, "quantize to levels", kSymbols,
          [&](const Kernels& k) { k.quantize(fixed.data(), kSymbols, thresholds.data(), planes[0]); });
  cpu::InwardSums sums;
  add_row(table, "sum up corrections", kSymbols,
          [&](const Kernels& k) { k.sum_inward(fixed.data(), kSymbols, 0, planes[0], nullptr, sums); });
  return table;
}

Table table_building() {
  Table table("Frequency tables", "thousands/s", {"normalise", "encode table", "decode table"});
  for (const double bits : {2.0, 4.0, 6.0}) {
    std::uint64_t counts[256] = {};
    for (const auto symbol : gaussian_symbols(kSymbols, bits, 5)) counts[symbol]++;
    std::uint16_t frequencies[256];
    core::EncodeTable encode_table;
    std::vector<std::uint32_t> decode_table(core::kProbScale);
    const auto thousands = [](auto build, auto& result) {
      return 1e-3 / fastest(
                        [&] {
                          build();
                          keep(result);
                        },
                        0.05);
    };
    table.add(fmt::format("Gaussian, {} bits", bits),
              {thousands([&] { core::normalise(counts, frequencies); }, frequencies),
               thousands([&] { core::build_encode_table(frequencies, encode_table); }, encode_table),
               thousands([&] { core::build_decode_table(frequencies, decode_table.data()); }, decode_table[0])});
  }
  return table;
}

}  // namespace

std::vector<Table> micro_tables() {
  Table encode("rANS encoding", "G symbols/s", model_names()), decode("rANS decoding", "G symbols/s", model_names());
  for (int bits = 1; bits <= 7; bits++)
    add_rans_rows(encode, decode, "Gaussian", Coded(gaussian_symbols(kSymbols, bits, 1)));
  std::vector<std::uint8_t> exponents;
  for (const auto weight : bf16_weights(kSymbols, 2)) exponents.push_back(static_cast<std::uint8_t>(weight >> 7));
  add_rans_rows(encode, decode, "BF16 exponents", Coded(std::move(exponents)));
  return {std::move(encode), std::move(decode), plain_kernels(), table_building()};
}

}  // namespace weft::bench
