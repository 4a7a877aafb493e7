#include "text/table.hpp"

#include <gtest/gtest.h>

namespace weft::text {
namespace {

TEST(Table, AlignsColumnsByCodePoints) {
  Table table("lr");
  table.add({"n\u00e4me", "x"});
  table.add_rule();
  table.add({"a", "123"});
  table.add({"only"});
  EXPECT_EQ(table.render(),
            "n\u00e4me    x\n"
            "---------\n"
            "a     123\n"
            "only\n");
  EXPECT_EQ(Table("l").render(), "");
}

TEST(Table, Indents) {
  Table table("l");
  table.add({"a"});
  table.add({""});
  EXPECT_EQ(table.render("  "), "  a\n\n");
}

}  // namespace
}  // namespace weft::text
