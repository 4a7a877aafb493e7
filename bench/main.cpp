// weft_bench [micro] [codecs] [trellis] [vectors] [cluster [--values FILE]] [--json FILE]: speeds in memory, side by side.
#include <fstream>
#include <iostream>
#include <string_view>

#include "backends/backend.hpp"
#include "suites.hpp"

int main(int argc, char** argv) {
  bool micro = false, codecs = false, trellis = false, vectors = false, cluster = false;
  std::string json_path, values_path;
  for (int i = 1; i < argc; i++) {
    const std::string_view argument = argv[i];
    if (argument == "micro") {
      micro = true;
    } else if (argument == "codecs") {
      codecs = true;
    } else if (argument == "trellis") {
      trellis = true;
    } else if (argument == "vectors") {
      vectors = true;
    } else if (argument == "cluster") {
      cluster = true;
    } else if (argument == "--values" && i + 1 < argc) {
      values_path = argv[++i];
    } else if (argument == "--json" && i + 1 < argc) {
      json_path = argv[++i];
    } else {
      std::cerr << "usage: weft_bench [micro] [codecs] [trellis] [vectors] [cluster [--values FILE]] [--json FILE]\n";
      return 2;
    }
  }
  const bool all = !micro && !codecs && !trellis && !vectors && !cluster;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  const auto show = [&](const std::vector<weft::bench::Table>& tables) {
    for (const auto& table : tables) {
      table.print();
      json.push_back(table.to_json());
    }
  };
  try {
    fmt::print("one thread unless said otherwise, backend {}\n", weft::make_cpu_backend()->name());
    if (all || micro) show(weft::bench::micro_tables());
    if (all || codecs) show(weft::bench::codec_tables());
    if (all || trellis) show(weft::bench::trellis_tables());
    if (all || vectors) show(weft::bench::vector_tables());
    if (all || cluster) show(weft::bench::cluster_tables(values_path));
  } catch (const std::exception& error) {
    std::cerr << "weft_bench: " << error.what() << "\n";
    return 1;
  }
  if (!json_path.empty()) {
    std::ofstream out(json_path);
    out << json.dump(2) << "\n";
    if (!out.flush()) {
      std::cerr << "weft_bench: cannot write " << json_path << "\n";
      return 1;
    }
  }
  return 0;
}
