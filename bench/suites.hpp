// What weft_bench can measure.
#pragma once

#include <string>
#include <vector>

#include "table.hpp"

namespace weft::bench {

[[nodiscard]] std::vector<Table> micro_tables();  // the kernels, one set beside the other
[[nodiscard]] std::vector<Table> codec_tables();  // whole blocks through the CPU backend, beside zstd
[[nodiscard]] std::vector<Table> trellis_tables();
[[nodiscard]] std::vector<Table> vector_tables();                                 // nearest entries
[[nodiscard]] std::vector<Table> cluster_tables(const std::string& values_path);  // writes its values there unless ""

}  // namespace weft::bench
