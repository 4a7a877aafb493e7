#include "config/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

namespace weft::config {
namespace {

std::string folded(std::string_view name) {
  std::string result(name);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return result;
}

constexpr std::size_t kLongest = 64;  // beyond, nobody misspells a name

enum class Piece : std::uint8_t { kCharacter, kAnyCharacter, kAnyRun };

std::vector<std::pair<Piece, char>> pieces_of(std::string_view glob) {
  std::vector<std::pair<Piece, char>> pieces;
  for (std::size_t i = 0; i < glob.size(); i++) {
    const std::size_t close = glob[i] == '[' ? glob.find(']', i + 2) : std::string_view::npos;
    if (glob[i] == '*') {
      pieces.emplace_back(Piece::kAnyRun, 0);
    } else if (glob[i] == '?' || close != std::string_view::npos) {
      pieces.emplace_back(Piece::kAnyCharacter, 0);
      if (glob[i] == '[') i = close;
    } else {
      pieces.emplace_back(Piece::kCharacter, glob[i]);
    }
  }
  return pieces;
}

// The insertions, deletions and replacements that make a name of what the glob matches.
std::size_t distance_from(const std::vector<std::pair<Piece, char>>& pieces, std::string_view name) {
  std::vector<std::size_t> last(name.size() + 1), row(name.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (const auto& [piece, character] : pieces) {
    const bool is_run = piece == Piece::kAnyRun;
    row[0] = last[0] + (is_run ? 0 : 1);
    for (std::size_t j = 1; j <= name.size(); j++) {
      const bool differs = piece == Piece::kCharacter && character != name[j - 1];
      row[j] = is_run ? std::min(last[j], row[j - 1]) : std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + differs});
    }
    last.swap(row);
  }
  return last.back();
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); i++) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); j++) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  if (name.size() > kLongest) return best;
  std::size_t best_distance = 0;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(folded(name), folded(candidate));
    if (distance > std::max<std::size_t>(1, std::max(name.size(), candidate.size()) / 3)) continue;
    if (distance >= std::min(name.size(), candidate.size())) continue;
    if (best.empty() || distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

std::string_view nearest_to_glob(std::string_view glob, const std::vector<std::string_view>& names) {
  std::string_view best;
  if (glob.size() > kLongest) return best;
  const auto pieces = pieces_of(folded(glob));
  const auto written = static_cast<std::size_t>(
      std::count_if(pieces.begin(), pieces.end(), [](const auto& piece) { return piece.first == Piece::kCharacter; }));
  std::size_t best_distance = std::min(written, std::max<std::size_t>(1, written / 3) + 1);
  for (const std::string_view name : names)
    if (const std::size_t distance = distance_from(pieces, folded(name)); distance < best_distance)
      best = name, best_distance = distance;
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& candidates) {
  const std::string_view near = nearest(name, candidates);
  return near.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", near);
}

}  // namespace weft::config
