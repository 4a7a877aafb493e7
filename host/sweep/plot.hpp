// A plot of rate-distortion curves as SVG, without any library. Text and axes take their colour from the reader's light or
// dark scheme; the background is left to the page.
#pragma once

#include <string>
#include <vector>

#include "sweep/curves.hpp"

namespace weft::sweep {

struct NamedCurve {
  std::string name;
  Curve curve;
};

// SQNR over bits per weight. Curves without points are only in the legend.
[[nodiscard]] std::string plot_svg(const std::string& title, const std::vector<NamedCurve>& curves);

}  // namespace weft::sweep
