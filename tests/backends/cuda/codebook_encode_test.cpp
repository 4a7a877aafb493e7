// Encoding with codebooks of every kind on a device against the CPU backend: the same bytes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "archive/codebook_index.hpp"
#include "backends/codebook_groups.hpp"
#include "backends/cpu/segments.hpp"
#include "backends/cuda/encode_batch.hpp"
#include "backends/cuda/segment_coder.hpp"
#include "support/devices.hpp"

namespace weft {
namespace {

using test::Bytes;

constexpr DType kTypes[] = {DType::kBF16, DType::kF16, DType::kF32, DType::kF64};

struct CodebookSegment {
  std::vector<Codebook> books;
  CodebookStream stream;
  SegmentView view;
  CodecSpec spec;
  Bytes units;

  explicit CodebookSegment(DType dtype) {
    spec.codec = view.codec = CodecId::kCodebook;
    view.dtype = dtype;
    view.block_log2 = 12;
    spec.pin_zero = true;
  }
  // Entries where weights are. Of scalars every other codebook has zero among them.
  void add_book(std::uint8_t dimension, std::size_t entries, double bit_price, float scale = 1) {
    const auto seed = static_cast<std::uint32_t>(books.size() + entries);
    Codebook& book = books.emplace_back();
    book.dimension = dimension;
    book.values = test::gaussian(entries * dimension, scale, seed);
    book.bit_price = bit_price;
    if (dimension == 1) {
      if (books.size() % 2 == 1) book.values[entries / 2] = 0;
      std::sort(book.values.begin(), book.values.end());
    } else if (bit_price > 0) {
      for (std::size_t i = 0; i < entries; i++) book.bits.push_back(static_cast<float>(1 + i * 7 % 13));
    }
  }
  void set(const std::vector<double>& values) {
    for (std::uint32_t b = 0; b < books.size(); b++) stream.books.push_back(b);
    archive::adopt_codebooks(books, stream);
    view.codebook = &stream;
    view.codebooks = books;
    view.units = values.size();
    units = test::to_units(view.dtype, values);
  }
};

std::vector<double> with_exceptions(std::vector<double> values) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (std::size_t i = 5; i < values.size(); i += 331)
    values[i] = i % 3 == 0 ? infinity : i % 3 == 1 ? -infinity : std::nan("");
  return values;
}

class CudaCodebooks : public ::testing::TestWithParam<std::shared_ptr<cuda::Device>> {
 protected:
  using Segments = std::vector<std::unique_ptr<CodebookSegment>>;

  // All at once on the device, which takes every one of them, and one by one on the CPU. Returns what they became.
  std::vector<EncodedSegment> expect_same(const Segments& segments) {
    std::vector<EncodedSegment> encoded(segments.size());
    std::vector<EncodeItem> items;
    for (std::size_t i = 0; i < segments.size(); i++) {
      items.push_back({segments[i]->view, &segments[i]->spec, segments[i]->units, &encoded[i]});
      EXPECT_TRUE(cuda::encodes_on_device(items.back())) << i;
    }
    coder_->encode_batch(items);
    EXPECT_TRUE(backend_->notes().empty());
    for (std::size_t i = 0; i < segments.size(); i++) {
      SCOPED_TRACE(std::to_string(i) + ": " + std::to_string(segments[i]->view.units) + " weights");
      EncodedSegment expected;
      cpu_->encode(segments[i]->view, segments[i]->spec, segments[i]->units, expected);
      EXPECT_EQ(encoded[i].tables, expected.tables);
      EXPECT_EQ(encoded[i].block_sizes, expected.block_sizes);
      EXPECT_EQ(encoded[i].plane_bytes, expected.plane_bytes);
      EXPECT_EQ(encoded[i].bytes, expected.bytes);
    }
    return encoded;
  }

  std::unique_ptr<Backend> backend_ = cuda::make_device_backend({GetParam()}, 0);
  std::unique_ptr<SegmentCoder> coder_ = backend_->make_coder();
  std::unique_ptr<SegmentCoder> cpu_ = make_cpu_backend()->make_coder();
};

INSTANTIATE_TEST_SUITE_P(Devices, CudaCodebooks, ::testing::ValuesIn(testing::devices()), testing::name_of_device);

TEST_P(CudaCodebooks, EncodesScalarsOfAnyNumber) {
  Segments segments;
  std::uint32_t seed = 0;
  for (const std::size_t entries : {1u, 2u, 3u, 256u, 257u, 1000u, 4096u})
    for (const double price : {0.0, 0.002}) {
      auto& segment = *segments.emplace_back(std::make_unique<CodebookSegment>(kTypes[seed++ % 4]));
      segment.add_book(1, entries, price);
      segment.set(with_exceptions(testing::draw_weights(4097 + 130 * seed, seed)));
    }
  expect_same(segments);
}

// Groups of few and of many weights, the last group a smaller one, segments that begin within a channel, and codebooks
// of which some are small, some large, and some have a price.
TEST_P(CudaCodebooks, EncodesGroupsOfChannels) {
  Segments segments;
  std::uint32_t seed = 0;
  for (const std::uint8_t dimension : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}})
    for (const std::uint64_t inner : {1u, 5u, 700u}) {
      auto& segment = *segments.emplace_back(std::make_unique<CodebookSegment>(kTypes[seed++ % 4]));
      segment.stream.inner = inner;
      segment.stream.channels = 11;
      segment.stream.group = 3;
      segment.stream.dimension = dimension;
      segment.view.first_unit = seed % 2 == 0 ? 0 : std::uint64_t{4096} * seed;
      for (std::size_t g = 0; g < group_count(segment.stream); g++) {
        const std::size_t entries = g == 1 && inner == 5 ? 300 : 7 + 40 * g;
        segment.add_book(dimension, entries, g % 2 == 0 ? 0.01 : 0, std::ldexp(1.0f, static_cast<int>(g)));
      }
      segment.set(with_exceptions(testing::draw_weights(4097 + 131 * seed, seed)));
    }
  // One that lies within a group, of many that it does not use.
  auto& inside = *segments.emplace_back(std::make_unique<CodebookSegment>(DType::kF32));
  inside.stream.inner = 6000;
  inside.stream.channels = 10;
  inside.stream.group = 1;
  inside.view.first_unit = 24576;
  for (std::size_t g = 0; g < 10; g++) inside.add_book(1, 16, 0.01);
  inside.set(testing::draw_weights(4096, 99));
  expect_same(segments);
}

TEST_P(CudaCodebooks, EncodesVectors) {
  Segments segments;
  std::uint32_t seed = 0;
  for (const std::uint8_t dimension : {std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}})
    for (const std::size_t entries : {1u, 15u, 256u, 1100u})
      for (const double price : {0.0, 0.05}) {
        auto& segment = *segments.emplace_back(std::make_unique<CodebookSegment>(kTypes[seed++ % 4]));
        segment.add_book(dimension, entries, price);
        segment.set(with_exceptions(testing::draw_weights(1025 + 131 * seed, seed)));
      }
  // As many entries as an index can say, of which most are equal: the first one is taken.
  auto& most = *segments.emplace_back(std::make_unique<CodebookSegment>(DType::kBF16));
  most.add_book(2, 65536, 0);
  for (std::size_t i = 300; i < most.books[0].values.size(); i++)
    most.books[0].values[i] = most.books[0].values[i % 50];
  most.set(testing::draw_weights(300, 4));
  expect_same(segments);
}

TEST_P(CudaCodebooks, EncodesWhatIsFarOrAlike) {
  Segments segments;
  std::uint32_t seed = 0;
  for (const std::uint8_t dimension : {std::uint8_t{1}, std::uint8_t{4}})
    for (const std::vector<double>& values :
         {std::vector<double>{0.5}, std::vector<double>(3000, 0.0), std::vector<double>(3001, -0.25),
          std::vector<double>(1027, std::nan("")), std::vector<double>{1e30, -1e38, 1e-40, -0.0, 3, 1e300, 1e-300}}) {
      auto& segment = *segments.emplace_back(std::make_unique<CodebookSegment>(kTypes[(seed++ + dimension) % 4]));
      segment.add_book(dimension, 400, 0.01, values[0] == 1e30 ? 1e-6f : 1);
      segment.set(values);
    }
  expect_same(segments);
}

// Both planes of indices, or the only one, in pairs: entries number 10 and 266 and those around them occur.
TEST_P(CudaCodebooks, EncodesIndicesInPairs) {
  Segments segments;
  const auto add = [&](std::uint8_t dimension, std::size_t entries, std::uint64_t symbols) {
    auto& segment = *segments.emplace_back(std::make_unique<CodebookSegment>(DType::kBF16));
    segment.view.block_log2 = 16;
    Codebook& book = segment.books.emplace_back();
    book.dimension = dimension;
    for (std::size_t i = 0; i < entries * dimension; i++)
      book.values.push_back(static_cast<float>(i / dimension) - 10.0f);
    const auto drawn = testing::draw_weights(symbols, segments.size(), 2);
    std::vector<double> values;  // those of a vector are alike
    for (std::size_t i = 0; i < symbols * dimension; i++)
      values.push_back(drawn[i / dimension] + (entries > 256 && i / dimension % 3 == 0 ? 256 : 0));
    segment.set(values);
  };
  add(1, 300, core::kFewestForPairs + 1000);
  add(2, 300, core::kFewestForPairs + 2);
  add(2, 40, core::kFewestForPairs);
  const auto encoded = expect_same(segments);
  for (std::size_t i = 0; i < encoded.size(); i++)
    for (std::size_t p = 0; p < segments[i]->stream.index_bytes; p++) {
      ASSERT_TRUE(encoded[i].tables[p].has_value()) << i << ", " << p;
      EXPECT_TRUE(encoded[i].tables[p]->pair_base.has_value()) << i << ", " << p;
    }
}

// Segments of two streams that share a codebook, whose entries are others in another element type.
TEST_P(CudaCodebooks, SharesCodebooksAmongStreams) {
  Segments segments;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF32}) {
    auto& segment = *segments.emplace_back(std::make_unique<CodebookSegment>(dtype));
    segment.add_book(4, 600, 0);
    segment.set(testing::draw_weights(3000, segments.size()));
    segment.view.codebooks = segments[0]->books;
  }
  expect_same(segments);
}

TEST(CudaCodebooksMemory, LittleMemoryMeansTheCpu) {
  CodebookSegment segment(DType::kBF16);
  segment.add_book(4, 600, 0);
  segment.set(testing::draw_weights(3000, 1));
  const auto backend = cuda::make_device_backend({testing::a_device(40000)}, 0);
  EncodedSegment encoded, expected;
  backend->make_coder()->encode(segment.view, segment.spec, segment.units, encoded);
  make_cpu_backend()->make_coder()->encode(segment.view, segment.spec, segment.units, expected);
  EXPECT_EQ(encoded.bytes, expected.bytes);
  EXPECT_FALSE(backend->notes().empty());
}

}  // namespace
}  // namespace weft
