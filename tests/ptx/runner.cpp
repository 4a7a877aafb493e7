// Kernels of the emulated GPU run as PTX, as nvcc made it, where WEFT_PTX names a folder: of modules (*.ptx) and, as `nm` prints
// them, the program's symbols (`symbols`), which say what a kernel that is launched is called.
#include <link.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <stdexcept>

#include "emulation/runtime.hpp"
#include "ptx/thread_block.hpp"

namespace weft::ptx {
namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  if (!file) throw std::runtime_error("PTX: " + path.string() + " cannot be read");
  return content.str();
}

// Where this program was loaded, less where its symbols say.
std::uintptr_t load_address() {
  std::uintptr_t address = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;  // the first is the program
      },
      &address);
  return address;
}

class Runner {
 public:
  explicit Runner(const std::filesystem::path& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".ptx") program_.add(content_of(entry.path()));
    std::stringstream symbols(content_of(folder / "symbols"));
    const std::uintptr_t begin = load_address();
    for (std::string line; std::getline(symbols, line);) {
      std::stringstream parts(line);
      std::uintptr_t at = 0;
      std::string kind, name;
      if (!(parts >> std::hex >> at >> kind >> name)) continue;
      if (const Kernel* kernel = program_.find(name)) kernels_[begin + at] = kernel;
    }
    std::fprintf(stderr, "PTX: %zu kernels, of which this program has %zu\n", program_.kernels(), kernels_.size());
  }

  void run(const emulation::LaunchShape& shape, const void* function,
           const std::vector<emulation::Argument>& arguments) const {
    const auto found = kernels_.find(reinterpret_cast<std::uintptr_t>(function));
    if (found == kernels_.end()) throw std::runtime_error("PTX: a kernel of which there is no PTX");
    const Kernel& kernel = *found->second;
    std::vector<std::max_align_t> parameters(kernel.parameter_bytes / sizeof(std::max_align_t) + 1);
    auto* bytes = reinterpret_cast<std::byte*>(parameters.data());
    if (arguments.size() != kernel.parameters.size()) throw std::runtime_error("PTX: parameters of " + kernel.name);
    for (std::size_t i = 0; i < arguments.size(); i++) {
      if (arguments[i].bytes != kernel.parameters[i].bytes)
        throw std::runtime_error("PTX: a parameter of another size, of " + kernel.name);
      std::memcpy(bytes + kernel.parameters[i].offset, arguments[i].value, arguments[i].bytes);
    }
    std::vector<std::uint32_t> order(shape.blocks);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), std::minstd_rand(shape.blocks));
    for (const std::uint32_t block : order)
      ThreadBlock(kernel, {block, shape.blocks, shape.threads, shape.dynamic_bytes, bytes}).run();
  }

 private:
  Program program_;
  std::map<std::uintptr_t, const Kernel*> kernels_;
};

[[noreturn]] void give_up(const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  std::abort();
}

bool run_ptx_if_wished() {
  const char* folder = std::getenv("WEFT_PTX");
  if (folder == nullptr) return false;
  try {
    emulation::set_runner([runner = std::make_shared<const Runner>(folder)](const auto&... launch) {
      try {
        runner->run(launch...);
      } catch (const std::exception& error) {
        give_up(error);  // as what a GPU stops at
      }
    });
  } catch (const std::exception& error) {
    give_up(error);
  }
  return true;
}

const bool kRunsPtx = run_ptx_if_wished();

}  // namespace
}  // namespace weft::ptx
