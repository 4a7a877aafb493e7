// Text as the content of an SVG's element.
#pragma once

#include <string>
#include <string_view>

namespace weft::text {

[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace weft::text
