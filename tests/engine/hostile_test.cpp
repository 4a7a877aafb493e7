// Archives that somebody has damaged, by chance or on purpose.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#include <array>
#include <fstream>
#include <random>

#include "archive/archive_writer.hpp"
#include "archive/bytes.hpp"
#include "archive/framing.hpp"
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

std::vector<std::byte> repeated(std::initializer_list<int> head, int value, std::size_t size) {
  std::vector<std::byte> bytes;
  for (const int byte : head) bytes.push_back(static_cast<std::byte>(byte));
  bytes.resize(size, static_cast<std::byte>(value));
  return bytes;
}

// Indexes of 60 KiB that a file of 1 to 4 KiB can hold, each with as much of one thing as fits.
std::vector<std::vector<std::byte>> greedy_indexes() {
  constexpr std::size_t kSize = 60'000;
  const auto count = [](archive::ByteWriter& out, std::uint64_t n) { out.put_varint(n); };
  std::vector<std::vector<std::byte>> indexes;
  const auto add = [&](std::array<std::vector<std::byte>, 4> sections) {
    archive::ByteWriter out;
    for (std::size_t i = 0; i < 4; i++) {
      out.put_u8(i + 1);
      out.put_varint(sections[i].size());
      out.bytes().insert(out.bytes().end(), sections[i].begin(), sections[i].end());
    }
    indexes.push_back(out.bytes());
  };
  const auto files_of = [](std::uint64_t tensors) {
    archive::ByteWriter out;
    out.put_varint(0);
    out.put_varint(1);
    out.put_varint(1);
    out.put_string("m");
    out.put_varint(tensors);
    out.put_varint(0);
    return out.bytes();
  };
  {  // files without end
    archive::ByteWriter out;
    count(out, 1);
    count(out, kSize - 10);
    out.bytes().resize(kSize, std::byte{1});
    add({out.bytes(), {}, {}, {}});
  }
  {  // pairs of metadata without end
    archive::ByteWriter out;
    out.put_varint(0);
    out.put_varint(1);
    out.put_varint(1);
    out.put_string("m");
    out.put_varint(0);
    out.put_varint(1);
    count(out, kSize / 2 - 20);
    out.bytes().resize(kSize, std::byte{0});
    add({out.bytes(), {}, {}, {}});
  }
  {  // tensors of 32 dimensions, each as long as a count allows
    constexpr std::uint64_t kTensors = 1500;
    archive::ByteWriter out;
    count(out, kTensors);
    for (std::uint64_t i = 0; i < kTensors; i++) out.put_varint(2);
    for (std::uint64_t i = 0; i < kTensors; i++) out.put(static_cast<std::uint16_t>(0x2020 + i));
    for (std::uint64_t i = 0; i < kTensors; i++) out.put_u8(1);
    for (std::uint64_t i = 0; i < kTensors; i++) out.put_u8(32);
    for (std::uint64_t i = 0; i < 32 * kTensors; i++) out.put_u8(1);
    for (std::uint64_t i = 0; i < kTensors; i++) out.put_u8(0);
    add({files_of(kTensors), out.bytes(), {std::byte{0}}, {std::byte{1}, std::byte{0}, std::byte{10}, std::byte{10}}});
  }
  {  // one tensor of as many blocks as there are bytes
    archive::ByteWriter tensors, streams;
    count(tensors, 1);
    tensors.put_string("t");
    tensors.put_u8(1);
    tensors.put_varint(1);
    tensors.put_varint((kSize - 10) << 10);
    tensors.put_varint(0);
    count(streams, 1);
    streams.put_u8(0);
    streams.put_u8(10);
    streams.put_u8(10);
    streams.bytes().resize(kSize, std::byte{0});
    add({files_of(1), tensors.bytes(), {std::byte{0}}, streams.bytes()});
  }
  {  // tables, and streams of nobody
    add({files_of(0), {std::byte{0}}, repeated({0xC0, 0xB8, 1}, 0, 30'000), repeated({0xA8, 0x46}, 0, 30'000)});
  }
  return indexes;
}

// An archive without blocks whose index is these bytes, and noise that lets it expand as far as a reader allows.
std::string archive_with(std::vector<std::byte> index) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; i++) index.push_back(static_cast<std::byte>(random()));
  std::vector<std::byte> frame(ZSTD_compressBound(index.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), index.data(), index.size(), 19));
  archive::Footer footer;
  footer.index_offset = archive::kHeaderBytes;
  footer.index_stored = frame.size();
  footer.index_raw = index.size();
  footer.index_crc = cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(frame.data()), frame.size());
  footer.compressed = true;
  std::string bytes;
  const auto append = [&](std::span<const std::byte> part) {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  };
  append(archive::make_header());
  append(frame);
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
    ASSERT_LT(bytes.size(), 4096u);
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
