// Times the kernels of the CUDA backend on data that lies in device memory, beside the CPU backend on all cores and a
// copy, and leaves one JSON object. GB/s counts the bytes of weights, not the traffic.
//
// Each section can have a process of its own: after a fault of a kernel, CUDA answers nothing but errors in that process.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cuda/find_devices.hpp"
#include "clusters.hpp"
#include "measure.hpp"
#include "results.hpp"
#include "rows.hpp"
#include "segments.hpp"
#include "sizes.hpp"
#include "weft/error.hpp"

namespace weft::bench {
namespace {

void copy_section(Results& results, const std::shared_ptr<cuda::Device>&) {
  results.set("/copy", {{"bytes", sizes.copied}}, [](Json& r) { r["bytes_per_s"] = copy_bandwidth(sizes.copied); });
}

struct Section {
  std::string_view name;
  void (*run)(Results&, const std::shared_ptr<cuda::Device>&);
};
constexpr Section kSections[] = {
    {"copy", copy_section},
    {"decode", decode_section},
    {"decode-trellis", decode_trellis_section},
    {"encode", encode_section},
    {"encode-trellis", encode_trellis_section},
    {"clusters", cluster_section},
    {"rows", rows_section},
    {"decode-variants", decode_variants_section},
    {"block-sizes", block_sizes_section},
    {"cpu", cpu_section},
};

// No sections: all of them.
void run(Results& results, const std::vector<std::string_view>& wanted) {
  const cuda::DeviceList found = cuda::find_devices();
  if (found.devices.empty()) throw Error(ErrorKind::kUnsupported, found.why_none);
  results.set("/device", Json::object(), [](Json& r) { r = describe_gpu(); });
  for (const Section& section : kSections) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), section.name) == wanted.end()) continue;
    results.append("/sections", {{"name", section.name}}, [&](Json& r) {
      const auto begin = std::chrono::steady_clock::now();
      section.run(results, found.devices.front());
      r["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    });
  }
}

}  // namespace
}  // namespace weft::bench

// usage: weft_cuda_bench [--rehearse] [--json FILE] [SECTION...], or --list, which prints the sections
// --rehearse: on little data, whose times mean nothing. Without a file the JSON goes to the standard output, in the end.
int main(int argc, char** argv) {
  using namespace weft::bench;
  try {
    std::vector<std::string_view> wanted;
    std::string file;
    for (int i = 1; i < argc; i++) {
      const std::string_view argument(argv[i]);
      if (argument == "--list") {
        for (const Section& section : kSections) std::cout << section.name << '\n';
        return 0;
      }
      if (argument == "--rehearse") {
        sizes = kRehearsal;
      } else if (argument == "--json" && i + 1 < argc) {
        file = argv[++i];
      } else if (std::any_of(std::begin(kSections), std::end(kSections),
                             [&](const Section& section) { return section.name == argument; })) {
        wanted.push_back(argument);
      } else {
        throw weft::Error(weft::ErrorKind::kUsage, "there is no option or section " + std::string(argument));
      }
    }
    Results results(file);
    run(results, wanted);
    if (file.empty()) std::cout << results.json().dump(2) << '\n';
    return results.failed() ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
