// Which rule takes which of a network's tensors, and what to say of rules that take none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weft/config.hpp"
#include "weft/network.hpp"

namespace weft::config {

struct RuleUse {
  std::uint64_t tensors = 0, weights = 0;
};

// One for each rule, and at the end what no rule takes.
[[nodiscard]] std::vector<RuleUse> uses_of_rules(const Config& config, const std::vector<TensorInfo>& tensors);

// The rules that somebody has written with a network in mind: all those of a file, and of a preset those whose match an
// override sets. A preset's own rules are for any network: that some of them find nothing in this one is no mistake.
[[nodiscard]] std::vector<bool> rules_with_intent(const Config& config, const std::string& path_or_preset,
                                                  const std::vector<std::string>& overrides);

// A sentence for each of these rules that takes no tensor: why, and what may have been meant. A rule that takes all that is
// left ("*" and no condition) may find nothing left.
[[nodiscard]] std::vector<std::string> unused_rules(const Config& config, const std::vector<TensorInfo>& tensors,
                                                    const std::vector<bool>& with_intent);

}  // namespace weft::config
