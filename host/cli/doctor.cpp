// weft doctor: what weft finds on this machine and what it makes of it. The answer is the data: standard output.
#include <fmt/format.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <zstd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/kernels.hpp"
#include "backends/cuda/find_devices.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/words.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"
#include "weft/version.hpp"

namespace weft::cli {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

// The first line of a file of the kernel that begins with `key`, behind its ':'; empty if there is none.
std::string kernel_fact(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t value = line.find_first_not_of(" \t", line.find(':') + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

std::string first_word(const char* path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

Json processor_facts() {
  Json facts;
  std::string model = kernel_fact("/proc/cpuinfo", "model name");
  facts["processor"] = model.empty() ? "unknown" : model;
  Json features = Json::array();
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) features.push_back("sse4.2");
  if (__builtin_cpu_supports("avx2")) features.push_back("avx2");
  if (__builtin_cpu_supports("bmi2")) features.push_back("bmi2");
  if (__builtin_cpu_supports("avx512f")) features.push_back("avx512f");
#endif
  facts["features"] = features;
  Json models = Json::array();
  for (const cpu::Kernels* kernels : cpu::available_kernels()) models.push_back(kernels->name);
  facts["models"] = models;
  facts["model"] = cpu::active_kernels().name;
  const char* wish = std::getenv("WEFT_CPU");
  facts["model_reason"] =
      wish == nullptr ? "the fastest that runs here"
      : cpu::active_kernels().name == wish
          ? "WEFT_CPU asks for it"
          : fmt::format("the fastest that runs here; WEFT_CPU={} is no model of this machine", wish);
  facts["cores"] = std::thread::hardware_concurrency();
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) facts["cores_allowed"] = CPU_COUNT(&allowed);
  return facts;
}

Json memory_facts() {
  Json facts;
  struct sysinfo info {};
  if (::sysinfo(&info) == 0) facts["total_bytes"] = std::uint64_t{info.totalram} * info.mem_unit;
  const std::string available = kernel_fact("/proc/meminfo", "MemAvailable");
  if (!available.empty()) facts["available_bytes"] = std::strtoull(available.c_str(), nullptr, 10) * 1024;
  const std::string limit = first_word("/sys/fs/cgroup/memory.max");
  if (!limit.empty() && limit != "max") facts["cgroup_limit_bytes"] = std::strtoull(limit.c_str(), nullptr, 10);
  facts["page_bytes"] = ::sysconf(_SC_PAGESIZE);
  return facts;
}

Json disk_facts() {
  Json facts;
  std::error_code error;
  facts["folder"] = fs::current_path(error).string();
  const fs::space_info space = fs::space(".", error);
  if (!error) facts["free_bytes"] = space.available;
  facts["writable"] = ::access(".", W_OK) == 0;
  return facts;
}

Json cuda_facts() {
  const cuda::DeviceList found = cuda::find_devices();
  Json facts{{"built_in", found.why_none != cuda::kNoToolkit}, {"devices", Json::array()}};
  for (const auto& device : found.devices) {
    Json entry{{"name", device->name()}};
    try {
      entry["free_bytes"] = device->free_bytes();
    } catch (const Error& error) {
      entry["fault"] = error.what();
    }
    facts["devices"].push_back(std::move(entry));
  }
  facts["reason"] = found.devices.empty()
                        ? fmt::format("{}: --device auto means cpu", found.why_none)
                        : fmt::format("{} usable: --device auto means the first", counted(found.devices.size(), "GPU"));
  return facts;
}

Json all_facts() {
  Json facts{{"version", version_string()}, {"format_version", format_version()}};
  facts["compiler"] = __VERSION__;
  facts["libraries"] = {
      {"zstd", ZSTD_versionString()},
      {"nlohmann_json",
       fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
      {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)}};
  facts["device"] = make_backend("auto", 0)->name();
  facts["cpu"] = processor_facts();
  facts["cuda"] = cuda_facts();
  facts["memory"] = memory_facts();
  facts["disk"] = disk_facts();
  return facts;
}

std::string words(const Json& list) {
  return list.empty() ? "none" : fmt::format("{}", fmt::join(list.get<std::vector<std::string>>(), " "));
}

std::string memory_text(const Json& facts, const char* key) {
  return facts.contains(key) ? text::binary_bytes(facts[key].get<std::uint64_t>()) : "unknown";
}

std::string facts_text(const Json& facts) {
  const Json &cpu = facts["cpu"], &memory = facts["memory"], &disk = facts["disk"], &libraries = facts["libraries"];
  std::string out;
  const auto put = [&out](std::string_view key, const std::string& value) {
    out += fmt::format("{:<11} {}\n", key, text::printable(value));
  };
  const auto word = [](const Json& value) { return value.get<std::string>(); };
  put("weft", fmt::format("{}, archive format {}", word(facts["version"]), word(facts["format_version"])));
  put("device", word(facts["device"]));
  put("model",
      fmt::format("{}: {} (available: {})", word(cpu["model"]), word(cpu["model_reason"]), words(cpu["models"])));
  put("cuda", word(facts["cuda"]["reason"]));
  for (const Json& device : facts["cuda"]["devices"])
    put("gpu", fmt::format("{}, {}", word(device["name"]),
                           device.contains("fault")
                               ? word(device["fault"])
                               : text::binary_bytes(device["free_bytes"].get<std::uint64_t>()) + " of memory free"));
  put("processor", fmt::format("{} ({})", word(cpu["processor"]), words(cpu["features"])));
  put("cores", fmt::format("{}, {} allowed", cpu["cores"].dump(), cpu.value("cores_allowed", Json("unknown")).dump()));
  put("memory", fmt::format("{}, {} available{}; pages of {}", memory_text(memory, "total_bytes"),
                            memory_text(memory, "available_bytes"),
                            memory.contains("cgroup_limit_bytes")
                                ? fmt::format(", limited to {}", memory_text(memory, "cgroup_limit_bytes"))
                                : "",
                            memory_text(memory, "page_bytes")));
  put("disk", fmt::format("{} free in {}{}",
                          disk.contains("free_bytes") ? text::decimal_bytes(disk["free_bytes"].get<std::uint64_t>())
                                                      : "unknown",
                          word(disk["folder"]), disk["writable"].get<bool>() ? "" : ", which is not writable"));
  put("libraries", fmt::format("zstd {}, nlohmann_json {}, fmt {}", word(libraries["zstd"]),
                               word(libraries["nlohmann_json"]), word(libraries["fmt"])));
  put("compiler", word(facts["compiler"]));
  return out;
}

}  // namespace

void add_doctor(CLI::App& program) {
  auto json = std::make_shared<bool>(false);
  CLI::App& command = *program.add_subcommand("doctor", "Show what weft finds on this machine");
  command.add_flag("--json", *json, "As JSON");
  command.callback([json] {
    const Json facts = all_facts();
    *json ? put_json(facts) : put_data(facts_text(facts));
  });
}

}  // namespace weft::cli
