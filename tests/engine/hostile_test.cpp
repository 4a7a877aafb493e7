// Archives that somebody has damaged, by chance or on purpose.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <random>

#include "archive/archive_writer.hpp"
#include "archive/framing.hpp"
#include "archive/index_state.hpp"
#include "archive/numbers.hpp"
#include "archive/zstd_frame.hpp"
#include "backends/cpu/kernels.hpp"
#include "engine/decode_run.hpp"
#include "support/child.hpp"
#include "support/memory_network.hpp"
#include "support/places.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

using testing::draw_weights;
using testing::kEvery;
using testing::kSanitized;
using testing::MemoryNetwork;
using testing::TempFolder;
using testing::weight_bytes;

RunOptions one_thread() {
  RunOptions options;
  options.threads = 1;
  return options;
}

// All codecs, a shared stream, several blocks, an asset; a few KiB.
std::string small_archive() {
  const TempFolder temp;
  MemoryNetwork network;
  network.make_folder();
  network.add_safetensors("m.safetensors",
                          {{"conv.weight", DType::kF32, {40, 30}, weight_bytes(DType::kF32, draw_weights(1200, 1))},
                           {"conv.bias", DType::kBF16, {1800}, weight_bytes(DType::kBF16, draw_weights(1800, 2))},
                           {"norm", DType::kBF16, {2, 3}, weight_bytes(DType::kBF16, draw_weights(6, 3))},
                           {"steps", DType::kI64, {}, std::string(8, '\1')},
                           {"mask", DType::kBool, {90}, std::string(90, '\1')},
                           {"fc.weight", DType::kF32, {60, 50}, weight_bytes(DType::kF32, draw_weights(3000, 4))}});
  network.add_asset("config.json", "{\"layers\": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}");
  Config config;
  config.block_log2 = 10;
  Rule uniform, raw;
  uniform.match = {"conv.weight", "fc.*"};
  uniform.spec.codec = CodecId::kUniform;
  uniform.spec.relative_step = 0.3;
  uniform.spec.per_channel = true;
  raw.match = {"mask"};
  raw.spec.codec = CodecId::kRaw;
  config.rules = {uniform, raw};
  (void)compress(network, config, temp / "w", {});
  return temp.read("w");
}

// Everything that an archive says, as one string: names, types, shapes, headers and decoded units.
std::string content_of(const std::filesystem::path& path) {
  const Archive archive = Archive::open(path);
  const Index& index = archive.index();
  std::string content;
  for (const FileInfo& file : index.files) content += file.name + '\n' + file.header + '\n';
  for (std::size_t t = 0; t < index.tensors.size(); t++) content += std::to_string(index.places[t].stream) + ' ';
  std::vector<engine::StageTimes> times;
  engine::decode_all(archive, *make_cpu_backend(), engine::all_tasks(index), one_thread(), times,
                     [&](const engine::DecodeTask&, std::span<const std::byte> units, engine::StageTimes&) {
                       content.append(reinterpret_cast<const char*>(units.data()), units.size());
                     });
  return content;
}

// True when it was refused as a damaged archive.
bool is_refused(const std::filesystem::path& path, const std::string& content) {
  try {
    EXPECT_TRUE(content_of(path) == content);
    return false;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kArchive) << error.what();
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    return true;
  }
}

// One that an earlier program wrote.
std::string golden_archive() { return testing::read_file(testing::source_folder() / "tests/golden/small.weft"); }

void flip_every_bit(const std::string& bytes) {
  const TempFolder temp = TempFolder::in_memory();
  ASSERT_GT(bytes.size(), 4096u);
  ASSERT_LT(bytes.size(), 8192u);
  const auto path = temp.write("w", bytes);
  const std::string content = content_of(path);
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  std::size_t harmless = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); bit += kEvery) {
    const auto at = static_cast<off_t>(bit / 8);
    const char bad = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(::pwrite(file, &bad, 1, at), 1);
    SCOPED_TRACE(bit);
    if (!is_refused(path, content)) harmless++;
    ASSERT_EQ(::pwrite(file, &bytes[bit / 8], 1, at), 1);
    if (::testing::Test::HasFailure()) break;
  }
  ::close(file);
  EXPECT_LT(harmless, 8u * 16);  // the padding between blocks
}

TEST(Hostile, EveryFlippedBitIsRefusedOrChangesNothing) { flip_every_bit(small_archive()); }
TEST(Hostile, EveryFlippedBitOfAGoldenArchiveIsRefusedOrChangesNothing) { flip_every_bit(golden_archive()); }

TEST(Hostile, EveryTruncationIsRefused) {
  const TempFolder temp = TempFolder::in_memory();
  const std::string bytes = golden_archive();
  const auto path = temp.write("w", bytes);
  const std::string content = content_of(path);
  for (std::size_t size = bytes.size(); size-- > 0;) {
    ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(size)), 0);
    EXPECT_TRUE(is_refused(path, content)) << size;
  }
}

TEST(Hostile, BytesBehindTheEndAreRefused) {
  const TempFolder temp = TempFolder::in_memory();
  const std::string bytes = small_archive();
  const std::string content = content_of(temp.write("w", bytes));
  EXPECT_TRUE(is_refused(temp.write("w", bytes + '\0'), content));
  EXPECT_TRUE(is_refused(temp.write("w", bytes + bytes), content));
}

// An index of up to 64 KiB that announces as much of one thing as its reader may believe.
struct GreedyIndex {
  std::string texts;
  std::vector<std::byte> numbers;
};

GreedyIndex greedy(std::uint64_t names, const std::function<void(archive::NumberWriter&)>& put) {
  GreedyIndex index;
  std::string texts;
  for (std::uint64_t i = 0; i < names; i++)
    ((texts += static_cast<char>(1 + i % 120)) += static_cast<char>(1 + i / 120)) += '\xFF';
  std::vector<std::byte> frame;
  archive::write_zstd_frame(std::as_bytes(std::span(texts)), 19, frame);
  const bool is_frame = frame.size() < texts.size();
  index.texts = is_frame ? std::string(reinterpret_cast<const char*>(frame.data()), frame.size()) : texts;
  archive::NumberWriter out;
  out.put(archive::Field::kTextBytes, texts.size());
  out.put(archive::Field::kTextCoding, is_frame ? 1 : 0);
  put(out);
  index.numbers = out.finish();
  return index;
}

std::vector<GreedyIndex> greedy_indexes() {
  using archive::Field;
  using archive::NumberWriter;
  const auto put_file = [](NumberWriter& out, std::uint64_t tensors) {
    out.put(Field::kFileKind, 1);
    out.put(Field::kTensors, tensors);
    out.put(Field::kHeader, 0);
  };
  const auto put_tables = [](NumberWriter& out) {
    for (const Field field : {Field::kTables, Field::kShapes, Field::kCodebooks}) out.put(field, 0);
  };
  std::vector<GreedyIndex> indexes;
  constexpr std::uint64_t kNames = 10'000;
  indexes.push_back(greedy(kNames, [&](NumberWriter& out) {  // files
    out.put(Field::kLayout, 1);
    out.put(Field::kFiles, kNames);
    for (std::uint64_t i = 0; i < kNames; i++) put_file(out, 0);
    put_tables(out);
    out.put(Field::kStreams, kNames);
  }));
  indexes.push_back(greedy(1, [&](NumberWriter& out) {  // pairs of metadata
    out.put(Field::kLayout, 0);
    out.put(Field::kFiles, 1);
    out.put(Field::kFileKind, 1);
    out.put(Field::kTensors, 0);
    out.put(Field::kHeader, 1);
    out.put(Field::kPairs, UINT64_MAX);
  }));
  indexes.push_back(greedy(3000, [&](NumberWriter& out) {  // tensors of 32 dimensions
    out.put(Field::kLayout, 0);
    out.put(Field::kFiles, 1);
    put_file(out, 2999);
    for (int t = 0; t < 2999; t++) {
      out.put(Field::kType, 0);
      out.put(Field::kRank, 32, t == 0 ? 0 : 4);
      for (std::size_t i = 0; i < 32; i++) {
        out.put(Field::kKnown, t + i == 0 ? 0 : 1, archive::kind_of_dimension(i, 32));
        if (t + i == 0) out.put(Field::kDimension, 0);
      }
      out.put(Field::kJoin, 0, 2);
    }
    put_tables(out);
    out.put(Field::kStreams, UINT64_MAX);
  }));
  for (const std::uint64_t units : {std::uint64_t{1} << 26, std::uint64_t{1} << 60})
    indexes.push_back(greedy(2, [&](NumberWriter& out) {  // one tensor of very many blocks
      out.put(Field::kLayout, 0);
      out.put(Field::kFiles, 1);
      put_file(out, 1);
      out.put_signed(Field::kType, static_cast<int>(DType::kU8) - archive::kFirstType);
      out.put(Field::kRank, 1);
      out.put(Field::kKnown, 0, archive::kind_of_dimension(0, 1));
      out.put(Field::kDimension, units);
      out.put(Field::kJoin, 0, 1);
      put_tables(out);
      out.put(Field::kStreams, 1);
      out.put(Field::kCodec, 0);
      out.put_signed(Field::kBlock, 10 - 16);
      out.put_signed(Field::kSegment, 10 - 20);
      for (int i = 0; i < 100'000; i++) out.put(Field::kSize, 0);
    }));
  indexes.push_back(greedy(1, [&](NumberWriter& out) {  // tables
    out.put(Field::kLayout, 0);
    out.put(Field::kFiles, 1);
    put_file(out, 0);
    out.put(Field::kTables, 4000);
    for (int t = 0; t < 4000; t++) {
      out.put(Field::kPairsOf, 0);
      out.put(Field::kFirstSymbol, 0);
      out.put(Field::kSymbols, 1);
      out.put(Field::kFrequency, 2048, 0);
      out.put(Field::kFrequency, 2048, 12);
    }
    out.put(Field::kShapes, UINT64_MAX);
  }));
  return indexes;
}

// An archive without blocks that has this index.
std::string archive_with(const GreedyIndex& greedy) {
  std::string index = greedy.texts;
  index.append(reinterpret_cast<const char*>(greedy.numbers.data()), greedy.numbers.size());
  archive::Footer footer;
  footer.index_offset = archive::kHeaderBytes;
  footer.text_bytes = static_cast<std::uint32_t>(greedy.texts.size());
  footer.index_crc = cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(index.data()), index.size());
  std::string bytes;
  const auto append = [&](std::span<const std::byte> part) {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  };
  append(archive::make_header());
  append(std::as_bytes(std::span(index)));
  append(archive::make_footer(footer));
  return bytes;
}

std::uint64_t address_space() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST(Hostile, ASmallFileNeverAllocatesMuch) {
  if (kSanitized) GTEST_SKIP() << "address space cannot be limited under this sanitizer";
  const TempFolder temp;
  for (const auto& index : greedy_indexes()) {
    const std::string bytes = archive_with(index);
    ASSERT_LT(bytes.size(), 65536u);
    const auto path = temp.write("w", bytes);
    EXPECT_EQ(testing::run_in_child([&] {
                const rlimit limit{address_space() + (64u << 20), RLIM_INFINITY};
                ::setrlimit(RLIMIT_AS, &limit);
                try {
                  (void)Archive::open(path);
                } catch (const Error& error) {
                  const std::string what = error.what();  // not before the sections have been read
                  return error.kind() == ErrorKind::kArchive && what.find("index is corrupt") != what.npos;
                }
                return false;
              }),
              0);
  }
}

// Peak memory follows the size of a task, not that of a tensor that a small archive may announce.
TEST(Hostile, AnArchiveOfConstantsExpandsInPieces) {
  if (kSanitized) GTEST_SKIP() << "address space cannot be limited under this sanitizer";
  const TempFolder temp;
  const MemoryNetwork network({{"zeros", DType::kF64, {16, 1 << 18}, std::string(std::size_t{1} << 25, '\0')}});
  Config config;
  config.block_log2 = 18;
  (void)compress(network, config, temp / "w", one_thread());
  ASSERT_LT(std::filesystem::file_size(temp / "w"), 4000u);
  EXPECT_EQ(testing::run_in_child([&] {
              const rlimit limit{address_space() + (30u << 20), RLIM_INFINITY};  // the units alone take 32 MiB
              ::setrlimit(RLIMIT_AS, &limit);
              (void)verify(Archive::open(temp / "w"), nullptr, one_thread());
              return true;
            }),
            0);
}

}  // namespace
}  // namespace weft
