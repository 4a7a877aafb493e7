// The CUDA backend against the CPU backend: the same bytes both ways, the same faults.
#include "backends/cuda/segment_coder.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "archive/bytes.hpp"
#include "backends/codebook_groups.hpp"
#include "backends/cpu/segments.hpp"
#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/encode_batch.hpp"
#include "core/trellis_cases.hpp"
#include "support/devices.hpp"
#include "support/sanitizer.hpp"
#include "support/weights.hpp"
#include "trellis/scales.hpp"
#include "trellis/shape.hpp"

namespace weft {
namespace {

using test::Bytes;

// A segment of any codec, type and size, with the values that have broken coders before.
struct RandomSegment {
  UniformStream uniform;
  TrellisStream trellis;
  CodebookStream codebook;
  std::vector<Codebook> codebooks;
  Scales scales;
  SegmentView view;
  CodecSpec spec;
  Bytes units;
  EncodedSegment encoded;

  explicit RandomSegment(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const CodecId codecs[] = {CodecId::kRaw,     CodecId::kLossless, CodecId::kLossless,
                              CodecId::kUniform, CodecId::kUniform,  CodecId::kTrellis,
                              CodecId::kTrellis, CodecId::kAsset,    CodecId::kCodebook};
    view.codec = codecs[random() % 9];
    const bool is_lossy = weft::is_lossy(view.codec);
    const DType quantizable[] = {DType::kBF16, DType::kF16, DType::kF32, DType::kF64};
    view.dtype = view.codec == CodecId::kAsset ? DType::kU8
                 : is_lossy                    ? quantizable[random() % 4]
                                               : static_cast<DType>(random() % kDTypeCount);
    view.block_log2 = 10 + static_cast<int>(random() % 6);
    view.units = random() % 8 == 0 ? random() % 3 : 1 + random() % (random() % 8 == 0 ? 60000 : 4000);
    if (random() % 4 == 0) view.units = view.units / 1024 * 1024;
    if (view.codec != CodecId::kTrellis && view.codec != CodecId::kAsset && random() % 8 == 0)
      view.units = core::kFewestForPairs + random() % 30000;
    view.first_unit = random() % 3 == 0 ? random() % 100000 : 0;
    fill_units(random);
    if (view.codec == CodecId::kUniform) choose_uniform(random);
    if (view.codec == CodecId::kTrellis) choose_trellis(random);
    if (view.codec == CodecId::kCodebook) choose_codebook(random);
    spec.codec = view.codec;
    spec.lambda = random() % 3 == 0 ? 0 : 0.1;
    spec.correct_reconstruction = random() % 2 == 0;
    spec.min_saving = random() % 2 == 0 ? 0.005 : 0;
    spec.pin_zero = random() % 2 == 0;
    const bool may_have_classes =
        view.codec == CodecId::kLossless || (view.codec == CodecId::kCodebook && codebook.dimension == 1);
    if (may_have_classes && random() % 2 == 0) choose_scales(random);
    cpu::make_segment_coder(cpu::active_kernels())->encode(view, spec, units, encoded);
  }

  [[nodiscard]] SegmentView decoding_view() const { return encoded.with_tables(view); }

 private:
  void fill_units(std::mt19937_64& random) {
    const auto unit = static_cast<std::size_t>(unit_bytes(view.dtype));
    units.resize(view.units * unit);
    const auto kind = random() % 5;
    for (auto& byte : units) byte = static_cast<std::byte>(kind == 0 ? random() : kind == 1 ? random() % 3 : 7);
    if (kind < 3) return;
    std::normal_distribution<float> normal(0, kind == 3 ? 1.0f : 0.02f);
    const std::uint64_t rarity = random() % 2 == 0 ? 997 : 19997;
    for (std::size_t i = 0; i < view.units; i++) {
      const float value = normal(random);
      const double wide = value;
      const auto bits = std::bit_cast<std::uint32_t>(value);
      const std::uint16_t half = view.dtype == DType::kF16 ? core::f32_to_f16(bits) : core::f32_to_bf16(bits);
      if (unit == 8) std::memcpy(units.data() + 8 * i, &wide, 8);
      if (unit == 4) std::memcpy(units.data() + 4 * i, &bits, 4);
      if (unit == 2) std::memcpy(units.data() + 2 * i, &half, 2);
      if (unit == 1) units[i] = static_cast<std::byte>(bits >> 20);
      if (random() % rarity == 0)
        std::fill_n(units.begin() + static_cast<std::ptrdiff_t>(i * unit), unit, std::byte{0xFF});
    }
  }
  void choose_uniform(std::mt19937_64& random) {
    const std::uint8_t low_bits[] = {0, 0, 4, 8};
    uniform.low_bits = low_bits[random() % 4];
    uniform.fine_step =
        std::ldexp(1.0f + static_cast<float>(random() % 1000) / 1000, -6 - static_cast<int>(random() % 9));
    if (random() % 2 == 0) {
      uniform.inner = 1 + random() % (random() % 2 == 0 ? 7 : 5000);
      uniform.scale_codes.resize(1 + random() % 40);
      for (auto& code : uniform.scale_codes) code = static_cast<std::uint8_t>(100 + random() % 60);
    }
    view.uniform = &uniform;
  }
  // Most often of scalars; of the entries of a few or of all symbols, or more; some with a codebook for each group of channels.
  // Bits have a price in half of them, and in some of a stream's.
  void choose_codebook(std::mt19937_64& random) {
    const std::size_t counts[] = {1, 2, 5, 16, 40, 256, 300};
    codebook.dimension = static_cast<std::uint8_t>(random() % 3 == 0 ? 2u << random() % 3 : 1);
    std::size_t books = 1;
    if (random() % 3 == 0) {
      codebook.inner = 1 + random() % (random() % 2 == 0 ? 7 : 3000);
      codebook.channels = 1 + random() % 20;
      codebook.group = 1 + random() % 5;
      books = group_count(codebook);
    }
    for (std::size_t b = 0; b < books; b++) {
      Codebook& book = codebooks.emplace_back();
      book.dimension = codebook.dimension;
      const std::size_t values = counts[random() % 7] * book.dimension;
      for (std::size_t i = 0; i < values; i++)
        book.values.push_back((static_cast<float>(i) - static_cast<float>(values) / 2) * 0.01f);
      if (book.dimension > 1) std::shuffle(book.values.begin(), book.values.end(), random);
      if (random() % 2 == 0) book.bit_price = random() % 2 == 0 ? 1e-5 : 0.02;
      if (book.dimension > 1 && book.bit_price > 0)
        for (std::size_t i = 0; i < book.entries(); i++) book.bits.push_back(static_cast<float>(1 + random() % 12));
      codebook.books.push_back(static_cast<std::uint32_t>(b));
      if (book.entries() > 256) codebook.index_bytes = 2;
    }
    view.codebook = &codebook;
    view.codebooks = codebooks;
  }
  // Most often of weights that are as wide as their classes say.
  void choose_scales(std::mt19937_64& random) {
    const std::uint64_t inners[] = {1, 7, 32, 33, 1000, 5000};
    scales.base_class = static_cast<std::int16_t>(random() % 32);
    scales.factors.resize(1 + random() % 3);
    for (ScaleFactor& factor : scales.factors) {
      factor.inner = inners[random() % 6];
      factor.codes.resize(1 + random() % 300);
      for (auto& code : factor.codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 9) - 4);
    }
    view.scales = &scales;
    const bool is_float = view.dtype == DType::kBF16 || view.dtype == DType::kF16 || view.dtype == DType::kF32 ||
                          view.dtype == DType::kF64;
    if (!is_float || random() % 4 == 0) return;
    std::vector<double> values = testing::draw_weights(view.units, random(), 0.1);
    std::vector<std::uint8_t> classes(view.units);
    trellis::scale_classes(scales, view.first_unit, classes);
    for (std::size_t i = 0; i < values.size(); i++) values[i] *= std::exp2((classes[i] - scales.base_class) / 3.0);
    units = test::to_units(view.dtype, values);
  }
  // Steps that suit the weights, and some that do not at all.
  void choose_trellis(std::mt19937_64& random) {
    const int drawn = static_cast<int>(random() % (view.units > 4000 ? 3 : 8));
    const int states_log2 = drawn == 0 ? 0 : drawn + 1;
    const int base = static_cast<int>(random() % 24);
    trellis = test::trellis_stream({states_log2, random() % 2 == 0, random() % 2 == 0}, base,
                                   static_cast<std::uint32_t>(random()));
    trellis.fine_step = std::exp2(static_cast<float>(random() % 50) / 5 - 16);
    if (random() % 8 == 0)
      trellis.offset = static_cast<std::int32_t>(random() % (2 * core::kMaxOffset)) - core::kMaxOffset;
    trellis.factors.resize(random() % 3);
    if (random() % 2 == 0)
      trellis.factors.push_back({1 + random() % 700, std::vector<std::int8_t>(1 + random() % 50, std::int8_t{2})});
    view.trellis = &trellis;
    view.shape = &weft::trellis::typical_shapes()[random() % 4];
  }
};

std::string text(const std::optional<BlockFault>& fault) {
  return fault ? std::to_string(fault->block) + ": " + fault->reason : "";
}

// Segments of each test; WEFT_TEST_SEGMENTS has fewer for slow tools.
std::uint64_t segment_count() {
  const char* wish = std::getenv("WEFT_TEST_SEGMENTS");
  return wish == nullptr ? 1000 / weft::testing::kEvery : std::strtoull(wish, nullptr, 10);
}

class CudaBackend : public ::testing::TestWithParam<std::shared_ptr<cuda::Device>> {
 protected:
  std::shared_ptr<cuda::Device> device_ = GetParam();
  std::unique_ptr<Backend> backend_ = cuda::make_device_backend({device_}, 0);
  std::unique_ptr<SegmentCoder> coder_ = backend_->make_coder();
  std::unique_ptr<SegmentCoder> cpu_ = make_cpu_backend()->make_coder();
};

INSTANTIATE_TEST_SUITE_P(Devices, CudaBackend, ::testing::ValuesIn(testing::devices()), testing::name_of_device);

TEST_P(CudaBackend, DecodesToTheBytesOfTheCpu) {
  for (std::uint64_t seed = 0; seed < segment_count(); seed++) {
    SCOPED_TRACE(seed);
    const RandomSegment segment(seed);
    const auto blocks = test::blocks_of(segment.view, segment.encoded);
    Bytes expected(segment.units.size());
    test::Guarded<std::byte> out(segment.units.size());
    ASSERT_EQ(text(cpu_->decode(segment.decoding_view(), 0, blocks, expected)), "");
    ASSERT_EQ(text(coder_->decode(segment.decoding_view(), 0, blocks, out.span())), "");
    ASSERT_TRUE(out.intact());
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out.data()));
  }
}

TEST_P(CudaBackend, EncodesToTheBytesOfTheCpu) {
  for (std::uint64_t begin = 0; begin < segment_count(); begin += 50) {
    std::vector<std::unique_ptr<RandomSegment>> segments;
    std::vector<EncodedSegment> encoded(50);
    std::vector<EncodeItem> items;
    for (std::uint64_t i = 0; i < 50; i++) {
      const RandomSegment& segment = *segments.emplace_back(std::make_unique<RandomSegment>(begin + i));
      items.push_back({segment.view, &segment.spec, segment.units, &encoded[i]});
    }
    coder_->encode_batch(items);
    for (std::size_t i = 0; i < items.size(); i++) {
      SCOPED_TRACE(begin + i);
      const EncodedSegment& expected = segments[i]->encoded;
      ASSERT_EQ(encoded[i].tables, expected.tables);
      ASSERT_EQ(encoded[i].class_tables, expected.class_tables);
      ASSERT_EQ(encoded[i].table_of_class, expected.table_of_class);
      ASSERT_EQ(encoded[i].corrections, expected.corrections);
      ASSERT_EQ(encoded[i].block_sizes, expected.block_sizes);
      ASSERT_EQ(encoded[i].plane_bytes, expected.plane_bytes);
      ASSERT_EQ(encoded[i].bytes, expected.bytes);
    }
  }
}

// Eight neighbours are decoded with one step where all channels begin at multiples of eight.
TEST_P(CudaBackend, ChannelsBeginAnywhere) {
  std::uint64_t seed = 0;
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64})
    for (const std::uint64_t inner : {5, 8, 1000, 1001, 40000})
      for (const std::uint64_t first_unit : {0, 48, 1003}) {
        SCOPED_TRACE(std::to_string(inner) + " from " + std::to_string(first_unit) + ", type " +
                     std::to_string(static_cast<int>(dtype)));
        UniformStream uniform;
        uniform.inner = inner;
        uniform.scale_codes = {128, 117, 140, 131, 123};
        uniform.fine_step = 1.0f / 4096;
        uniform.low_bits = seed % 2 == 0 ? 0 : 4;
        SegmentView view;
        view.codec = CodecId::kUniform;
        view.dtype = dtype;
        view.block_log2 = 14;
        view.first_unit = first_unit;
        view.units = 30000;
        view.uniform = &uniform;
        CodecSpec spec;
        spec.codec = view.codec;
        const std::string drawn = testing::weight_bytes(dtype, testing::draw_weights(view.units, ++seed, 0.02));
        const auto units = std::as_bytes(std::span(drawn));
        EncodedSegment encoded;
        cpu_->encode(view, spec, units, encoded);
        const auto blocks = test::blocks_of(view, encoded);
        Bytes expected(units.size()), out(units.size());
        ASSERT_EQ(text(cpu_->decode(encoded.with_tables(view), 0, blocks, expected)), "");
        ASSERT_EQ(text(coder_->decode(encoded.with_tables(view), 0, blocks, out)), "");
        ASSERT_EQ(out, expected);
      }
}

// Encoders give small blocks few lanes; here they have all 32, so that eight steps are decoded at once, in runs that are
// aligned to that and others, at odd addresses too.
TEST_P(CudaBackend, DecodesTrellisBlocksOfAnyLanes) {
  const DType types[] = {DType::kBF16, DType::kF16, DType::kF32, DType::kF64};
  std::uint32_t number = 0;
  for (const auto& mode : test::trellis_modes())
    for (const std::uint32_t n : {3000u, 32u * 104, 32u * 203 - 7}) {
      if (mode.states_log2 > 4 && n != 3000) continue;
      const DType dtype = types[number++ % 4];
      SCOPED_TRACE(test::name_of(mode) + ", " + std::to_string(n) + ", type " +
                   std::to_string(static_cast<int>(dtype)));
      TrellisStream stream = test::trellis_stream(mode, 12, n);
      stream.factors.resize(1 + n % 2);
      if (mode.predicts && !mode.keeps_zero) stream.factors.resize(1);  // or its tables do not fit
      const Shape& shape = weft::trellis::typical_shapes()[n % 4];
      const test::TrellisBlock coded(cpu::active_kernels(), stream, shape, test::trellis_weights(stream, n, n, 1.2f),
                                     number % 5 == 0 ? 3 : 5);
      std::vector<std::pair<std::uint32_t, std::int32_t>> far_weights;
      for (std::uint32_t at = number % 3; at < n; at += 1 + at / 2)
        far_weights.emplace_back(at, at % 3 == 1 ? core::kFarExact : static_cast<std::int32_t>(at) - 400);
      const auto block = test::stored_block(coded, unit_bytes(dtype), far_weights);
      const std::span<const std::byte> bytes = block;
      SegmentView view;
      view.codec = CodecId::kTrellis;
      view.dtype = dtype;
      view.units = n;
      view.trellis = &stream;
      view.shape = &shape;
      view.corrections = {static_cast<std::int8_t>(number % 60), -9, 30};
      Bytes expected(n * static_cast<std::size_t>(unit_bytes(dtype))), out(expected.size());
      DecodeItem item{view, 0, {&bytes, 1}, out, {}};
      ASSERT_FALSE(cuda::DecodeBatch({&item, 1}).empty());
      ASSERT_EQ(text(cpu_->decode(view, 0, {&bytes, 1}, expected)), "");
      ASSERT_EQ(text(coder_->decode(view, 0, {&bytes, 1}, out)), "");
      ASSERT_EQ(out, expected);
    }
}

TEST(CudaBatch, TakesEveryTrellisBlockWhoseTablesFit) {
  std::size_t taken = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < segment_count(); seed++) {
    RandomSegment segment(seed);
    if (segment.view.codec != CodecId::kTrellis) continue;
    const weft::trellis::ClassRange range = weft::trellis::table_range(segment.trellis);
    const auto rows = static_cast<std::uint32_t>(range.highest - range.lowest + 1) *
                      core::tables_in_use(segment.trellis.keeps_zero, segment.trellis.predicts);
    const int reach = weft::trellis::MassCurve(*segment.view.shape).reach(range.highest);
    const bool fits = 4 * std::size_t{rows} * core::row_words(static_cast<std::uint32_t>(reach)) <= cuda::kMostRowBytes;
    for (const auto& block : test::blocks_of(segment.view, segment.encoded)) {
      DecodeItem item{segment.decoding_view(), 0, {&block, 1}, {}, {}};
      const bool is_raw = (static_cast<unsigned>(block[4]) & 8) != 0;
      EXPECT_EQ(cuda::DecodeBatch({&item, 1}).empty(), !fits && !is_raw) << seed;
      (fits ? taken : refused)++;
      break;  // one tells of all: the others may have other sizes
    }
  }
  EXPECT_GT(taken, segment_count() / 10);
  EXPECT_GT(refused, segment_count() / 200);
}

// One that has no entry for some index is not taken where that is known beforehand; there the CPU finds the fault.
TEST(CudaBatch, TakesEveryCodebookBlock) {
  std::size_t looked_up = 0;
  for (std::uint64_t seed = 0; seed < segment_count(); seed++) {
    RandomSegment segment(seed);
    if (segment.view.codec != CodecId::kCodebook) continue;
    const EncodeItem whole{segment.view, &segment.spec, segment.units, &segment.encoded};
    EXPECT_EQ(cuda::encodes_on_device(whole), segment.view.units > 0 && segment.view.scales == nullptr);
    for (const auto& block : test::blocks_of(segment.view, segment.encoded)) {
      DecodeItem item{segment.decoding_view(), 0, {&block, 1}, {}, {}};
      EXPECT_FALSE(cuda::DecodeBatch({&item, 1}).empty()) << seed;
      looked_up += cuda::needs_look_up(item.view) ? 1 : 0;
      break;  // one tells of all: the others may have other sizes
    }
  }
  EXPECT_GT(looked_up, segment_count() / 25);
}

// So that the other tests see some.
TEST(CudaBatch, TakesSegmentsWithTablesByClass) {
  std::size_t taken = 0;
  for (std::uint64_t seed = 0; seed < segment_count(); seed++) {
    const RandomSegment segment(seed);
    if (segment.encoded.class_tables.empty()) continue;
    const auto blocks = test::blocks_of(segment.view, segment.encoded);
    DecodeItem item{segment.decoding_view(), 0, {&blocks[0], 1}, {}, {}};
    taken += cuda::DecodeBatch({&item, 1}).empty() ? 0 : 1;
  }
  EXPECT_GT(taken, segment_count() / 100);
}

TEST_P(CudaBackend, FindsIndicesBeyondTheirCodebook) {
  for (const std::uint8_t dimension : {std::uint8_t{1}, std::uint8_t{4}}) {
    std::vector<Codebook> books(1);
    books[0].dimension = dimension;
    for (int i = 0; i < 300 * dimension; i++) books[0].values.push_back(static_cast<float>(i));
    CodebookStream stream;
    stream.books = {0};
    stream.dimension = dimension;
    stream.index_bytes = 2;
    SegmentView view;
    view.codec = CodecId::kCodebook;
    view.dtype = DType::kF32;
    view.units = std::size_t{300} * dimension;
    view.codebook = &stream;
    view.codebooks = books;
    Bytes units(4 * view.units);
    std::memcpy(units.data(), books[0].values.data(), units.size());
    const CodecSpec spec;
    EncodedSegment encoded;
    cpu_->encode(view, spec, units, encoded);
    const auto blocks = test::blocks_of(view, encoded);
    Bytes out(units.size());
    ASSERT_EQ(text(coder_->decode(encoded.with_tables(view), 0, blocks, out)), "");
    ASSERT_EQ(out, units);
    books[0].values.resize(books[0].values.size() - dimension);  // the last entry
    view.codebooks = books;
    EXPECT_EQ(text(coder_->decode(encoded.with_tables(view), 0, blocks, out)),
              "0: an index is beyond the end of its codebook");
  }
}

TEST_P(CudaBackend, DecodesManySegmentsAtOnceAndAnyRunOfBlocks) {
  std::vector<std::unique_ptr<RandomSegment>> segments;
  std::vector<std::vector<std::span<const std::byte>>> blocks;
  std::vector<Bytes> outs, expected;
  std::vector<DecodeItem> items;
  for (std::uint64_t seed = 5000; seed < 5000 + segment_count() / 5; seed++) {
    segments.push_back(std::make_unique<RandomSegment>(seed));
    blocks.push_back(test::blocks_of(segments.back()->view, segments.back()->encoded));
  }
  for (std::size_t i = 0; i < segments.size(); i++) {
    const SegmentView view = segments[i]->decoding_view();
    const auto first = static_cast<std::uint32_t>(blocks[i].size() / 3);
    const auto run = std::span<const std::span<const std::byte>>(blocks[i]).subspan(first);
    std::uint64_t units = 0;
    for (std::uint32_t b = first; b < blocks[i].size(); b++) units += view.block_units(b);
    outs.emplace_back(units * static_cast<std::uint64_t>(unit_bytes(view.dtype)));
    expected.push_back(outs.back());
    ASSERT_EQ(text(cpu_->decode(view, first, run, expected.back())), "");
    items.push_back({view, first, run, {}, {}});
  }
  for (std::size_t i = 0; i < items.size(); i++) items[i].units = outs[i];
  coder_->decode_batch(items);
  for (std::size_t i = 0; i < items.size(); i++) {
    EXPECT_EQ(text(items[i].fault), "") << i;
    EXPECT_EQ(outs[i], expected[i]) << i;
  }
}

TEST_P(CudaBackend, CorruptBlocksGiveTheFaultsOfTheCpu) {
  std::uint64_t faults = 0;
  for (std::uint64_t seed = 0; seed < segment_count() * 3 / 5; seed++) {
    SCOPED_TRACE(seed);
    RandomSegment segment(seed);
    auto blocks = test::blocks_of(segment.view, segment.encoded);
    if (blocks.empty()) continue;
    std::mt19937_64 random(seed);
    for (int trial = 0; trial < 4; trial++) {
      const std::size_t b = random() % blocks.size();
      Bytes block(blocks[b].begin(), blocks[b].end());
      // Bits anywhere, but more often where the descriptors are; then most often a right checksum over the damage.
      for (auto flips = 1 + random() % 3; flips > 0; flips--)
        block[random() % (random() % 2 == 0 ? std::min<std::size_t>(block.size(), 36) : block.size())] ^=
            static_cast<std::byte>(1 << random() % 8);
      if (random() % 4 == 0) block.resize(random() % block.size());
      if (random() % 8 != 0 && block.size() >= 4)
        archive::store_le(block.data(), cpu::active_kernels().crc32c(
                                            reinterpret_cast<const std::uint8_t*>(block.data() + 4), block.size() - 4));
      auto damaged = blocks;
      damaged[b] = block;
      Bytes expected(segment.units.size());
      test::Guarded<std::byte> out(segment.units.size());
      const auto fault = cpu_->decode(segment.decoding_view(), 0, damaged, expected);
      ASSERT_EQ(text(coder_->decode(segment.decoding_view(), 0, damaged, out.span())), text(fault));
      ASSERT_TRUE(out.intact());
      if (!fault) {
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out.data()));
      }
      faults += fault ? 1 : 0;
    }
  }
  EXPECT_GT(faults, segment_count() / 2);
}

TEST(CudaBackendMemory, LittleMemoryMeansSmallerBatchesAndThenTheCpu) {
  for (const std::uint64_t limit : {std::uint64_t{1} << 30, std::uint64_t{40000}, std::uint64_t{100}}) {
    const auto cpu = make_cpu_backend()->make_coder();
    const auto bounded = cuda::make_device_backend({weft::testing::a_device(limit)}, 0);
    const auto coder = bounded->make_coder();
    std::vector<std::unique_ptr<RandomSegment>> segments;
    std::vector<std::vector<std::span<const std::byte>>> blocks;
    std::vector<Bytes> outs;
    std::vector<DecodeItem> items;
    for (std::uint64_t seed = 100; seed < 130; seed++) {
      segments.push_back(std::make_unique<RandomSegment>(seed));
      blocks.push_back(test::blocks_of(segments.back()->view, segments.back()->encoded));
      outs.emplace_back(segments.back()->units.size());
    }
    for (std::size_t i = 0; i < segments.size(); i++)
      items.push_back({segments[i]->decoding_view(), 0, blocks[i], outs[i], {}});
    coder->decode_batch(items);
    for (std::size_t i = 0; i < items.size(); i++) {
      Bytes expected(outs[i].size());
      ASSERT_EQ(text(items[i].fault), "");
      ASSERT_EQ(text(cpu->decode(items[i].view, 0, blocks[i], expected)), "");
      EXPECT_EQ(outs[i], expected) << limit << ", " << i;
    }
    EXPECT_LE(bounded->peak_device_bytes(), limit);
    EXPECT_EQ(bounded->notes().empty(), limit == 1u << 30);
    if (limit == 100) {
      EXPECT_EQ(bounded->peak_device_bytes(), 0u);
    }
  }
}

}  // namespace
}  // namespace weft
