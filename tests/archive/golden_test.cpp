// Archives that were written once and must restore to the same bytes for ever (tests/golden/README.md).
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "support/places.hpp"
#include "support/temp_folder.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

const fs::path kGoldens = testing::source_folder() / "tests/golden";

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

TEST(Golden, EveryArchiveRestoresItsBytes) {
  const testing::TempFolder temp;
  int archives = 0;
  for (const std::string& name : names_in(kGoldens)) {
    const fs::path path = kGoldens / name;
    if (path.extension() != ".weft") continue;
    SCOPED_TRACE(name);
    archives++;
    const fs::path restored = temp / path.stem().string();
    (void)decompress(Archive::open(path), restored, {}, {});
    if (!fs::is_directory(restored)) {
      EXPECT_TRUE(testing::read_file(restored) == testing::read_file(fs::path(path).replace_extension(".safetensors")));
      continue;
    }
    const fs::path expected = fs::path(path).replace_extension();
    EXPECT_EQ(names_in(restored), names_in(expected));
    for (const std::string& file : names_in(expected))
      EXPECT_TRUE(testing::read_file(restored / file) == testing::read_file(expected / file)) << file;
  }
  EXPECT_GE(archives, 16);
}

}  // namespace
}  // namespace weft
