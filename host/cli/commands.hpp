// The sub-commands: each adds itself to the program with its options and runs as the callback of its CLI::App.
#pragma once

#include <CLI/App.hpp>

namespace weft::cli {

void add_compress(CLI::App& program);
void add_decompress(CLI::App& program);
void add_inspect(CLI::App& program);
void add_verify(CLI::App& program);
void add_sweep(CLI::App& program);
void add_bench(CLI::App& program);
void add_config(CLI::App& program);
void add_doctor(CLI::App& program);

}  // namespace weft::cli
