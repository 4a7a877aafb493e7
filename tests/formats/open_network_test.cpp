#include <gtest/gtest.h>
#include <sys/stat.h>

#include "formats/safetensors.hpp"
#include "support/expect_error.hpp"
#include "support/make_safetensors.hpp"
#include "support/temp_folder.hpp"
#include "weft/network.hpp"

namespace weft {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::make_safetensors;
using testing::TempFolder;

std::string some_tensor(const std::string& name) {
  return make_safetensors({{name, "F32", {2}, bytes_of<float>({1, 2})}});
}

TEST(OpenNetwork, KnowsSafetensorsByNameOrContent) {
  const TempFolder folder;
  for (const char* name : {"m.safetensors", "without extension", "m.bin"})
    EXPECT_EQ(open_network(folder.write(name, some_tensor("w")))->tensors().size(), 1u) << name;
}

TEST(OpenNetwork, SaysWhatItReads) {
  const TempFolder folder;
  const auto refused = [&](const char* name, std::string_view bytes, const std::vector<std::string>& parts) {
    const auto path = folder.write(name, bytes);
    expect_error(ErrorKind::kInput, parts, [&] { (void)open_network(path); });
  };
  refused("m.onnx", "xyz", {"m.onnx", "an ONNX file", "weft reads safetensors"});
  refused("m.pt", "PK\x03\x04", {"a PyTorch file", "weft reads safetensors"});
  refused("m.gguf", "", {"a GGUF file"});
  refused("model", "GGUF....", {"a GGUF file"});
  refused("m.txt", "text", {"not in a format that weft knows", "weft reads safetensors"});
  refused("empty", "", {"not in a format that weft knows"});
  refused("m.weft", "", {"weft decompress"});
  refused("model2", "\x89WEFT\r\n\x1a", {"weft decompress"});
  folder.write("other/pytorch_model.bin", "x");
  expect_error(ErrorKind::kInput, {"other", "no safetensors file in this folder", "weft reads safetensors"},
               [&] { (void)open_network(folder / "other"); });
}

TEST(OpenNetwork, ReportsWhatItCannotOpen) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe.safetensors").c_str(), 0600), 0);
  expect_error(ErrorKind::kIo, {"none.safetensors", "No such file"},
               [&] { (void)open_network(folder / "none.safetensors"); });
  expect_error(ErrorKind::kIo, {"pipe.safetensors"}, [&] { (void)open_network(folder / "pipe.safetensors"); });
}

}  // namespace
}  // namespace weft
