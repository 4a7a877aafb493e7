#include "sweep/point_store.hpp"

#include <fmt/format.h>

#include <vector>

#include "backends/cpu/kernels.hpp"
#include "io/file.hpp"
#include "json/strict_json.hpp"
#include "weft/error.hpp"

namespace weft::sweep {
namespace {

constexpr std::uint64_t kMaxFileBytes = 256u << 20;
constexpr std::uint64_t kChunk = 1u << 20;

std::uint32_t checksum(std::string_view text) {
  return cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

nlohmann::ordered_json read_points(const std::filesystem::path& file) {
  try {
    const std::string text = io::read_text(file, kMaxFileBytes);
    (void)json::parse_strict(text);
    auto points = nlohmann::ordered_json::parse(text);
    if (points.is_object()) return points;
    throw json::JsonError("expected an object with points");
  } catch (const json::JsonError& error) {
    throw Error(ErrorKind::kInput, fmt::format("{}: not the points of a sweep: {}; remove it to measure them anew",
                                               file.string(), error.what()));
  }
}

}  // namespace

std::string content_id(const Network& network) {
  std::string checksums;
  std::vector<std::byte> buffer;
  std::uint64_t bytes = 0;
  for (std::size_t f = 0; f < network.files().size(); f++) {
    const std::uint64_t size = network.files()[f].bytes;
    bytes += size;
    checksums += fmt::format("{} {}\n", network.files()[f].name, size);
    for (std::uint64_t at = 0; at < size; at += kChunk) {
      buffer.resize(std::min(kChunk, size - at));
      network.read_file(f, at, buffer);
      checksums += fmt::format("{:08x}", checksum({reinterpret_cast<const char*>(buffer.data()), buffer.size()}));
    }
  }
  return fmt::format("{}-{:08x}", bytes, checksum(checksums));
}

std::string point_key(std::string_view network, const Config& config, std::string_view program) {
  Config same = config;
  const Config machine;
  same.device = machine.device;
  same.threads = machine.threads;
  same.memory_limit = machine.memory_limit;
  const std::string text = weft::to_json(same);
  return fmt::format("{}.{}-{:08x}.{}", network, text.size(), checksum(text), program);
}

PointStore::PointStore(const std::filesystem::path& folder) : points_(nlohmann::ordered_json::object()) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw Error(ErrorKind::kIo, fmt::format("cannot make the folder {}: {}", folder.string(), error.message()));
  file_ = folder / "points.json";
  if (std::filesystem::exists(file_, error)) {
    points_ = read_points(file_);
  } else if (!std::filesystem::is_empty(folder, error)) {
    throw Error(ErrorKind::kUsage, fmt::format("{} has files, but no points.json of an earlier sweep: choose another "
                                               "folder",
                                               folder.string()));
  }
}

nlohmann::ordered_json PointStore::find(const std::string& key) const {
  const auto found = points_.find(key);
  return found == points_.end() ? nlohmann::ordered_json() : *found;
}

void PointStore::add(const std::string& key, nlohmann::ordered_json figures) {
  points_[key] = std::move(figures);
  io::write_text(file_, points_.dump(1) + '\n', true);
}

}  // namespace weft::sweep
