// The report for people. Numbers are rounded to be read: scripts use the JSON report.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "report/figures.hpp"
#include "text/table.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"
#include "weft/report.hpp"

namespace weft {
namespace {

using report::Sums;
using text::grouped;

constexpr std::size_t kNameColumns = 48;
// Of a terminal that takes the tensors' table whole; on others some of its columns are left out, the last first.
constexpr std::size_t kWide = 112;
constexpr std::array<std::size_t, 5> kLeftOut{10, 9, 6, 4, 3};

std::string with(const std::optional<double>& value, int decimals, const char* unit = "") {
  return value && std::isfinite(*value) ? fmt::format("{:.{}f}{}", *value, decimals, unit) : "-";
}

std::string sqnr(const Sums& sums) { return report::is_exact(sums) ? "exact" : with(report::sqnr_db(sums), 2, " dB"); }

std::vector<std::string> row(std::vector<std::string> cells, const Sums& sums) {
  for (std::string& cell : std::vector<std::string>{
           grouped(sums.elements), text::decimal_bytes(sums.original), text::decimal_bytes(sums.compressed),
           with(report::ratio(sums), 2, "x"), with(report::bits_per_weight(sums), 3), sqnr(sums)})
    cells.push_back(std::move(cell));
  return cells;
}

struct Group {
  std::string codec, dtype;
  Sums sums;
};

// In the order in which the tensors first show them; the largest first.
std::vector<Group> groups_of(const Report& report) {
  std::vector<Group> groups;
  for (const TensorReport& tensor : report.tensors) {
    const auto same = [&](const Group& group) { return group.codec == tensor.codec && group.dtype == tensor.dtype; };
    auto group = std::find_if(groups.begin(), groups.end(), same);
    if (group == groups.end()) group = groups.insert(groups.end(), Group{tensor.codec, tensor.dtype, {}});
    group->sums.add(tensor, report);
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.sums.original > b.sums.original; });
  return groups;
}

// What the totals have beyond the tensors: headers, assets, index, tables. None is below zero, whatever is rounded.
std::pair<std::uint64_t, std::uint64_t> rest_of(const std::vector<Group>& groups, const Sums& total) {
  std::uint64_t original = 0, compressed = 0;
  for (const Group& group : groups) original += group.sums.original, compressed += group.sums.compressed;
  return {total.original - std::min(total.original, original),
          total.compressed - std::min(total.compressed, compressed)};
}

std::string title(const Report& report) {
  std::string line = text::printable(report.command + "  " + report.input);
  if (!report.output.empty()) line += " -> " + text::printable(report.output);
  line += fmt::format("\n{}, {} thread{}\n", text::printable(report.device), report.threads,
                      report.threads == 1 ? "" : "s");
  return line;
}

std::string group_table(const Report& report) {
  const std::vector<Group> groups = groups_of(report);
  const Sums total = report::total_of(report);
  const auto [original, compressed] = rest_of(groups, total);
  text::Table table("llrrrrrrr");
  table.add({"codec", "dtype", "tensors", "weights", "original", "compressed", "ratio", "bits/weight", "SQNR"});
  table.add_rule();
  for (const Group& group : groups)
    table.add(
        row({text::printable(group.codec), text::printable(group.dtype), grouped(group.sums.tensors)}, group.sums));
  if (original > 0 || compressed > 0)
    table.add({"the rest", "", "", "", text::decimal_bytes(original), text::decimal_bytes(compressed)});
  table.add_rule();
  table.add(row({"total", "", grouped(total.tensors)}, total));
  return table.render();
}

std::string tensor_table(const Report& report, std::size_t columns) {
  const bool narrow = columns > 0 && columns < kWide;
  const auto chosen = [&](auto cells) {
    for (const std::size_t column : kLeftOut)
      if (narrow) cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(column));
    return cells;
  };
  text::Table table(chosen(std::string("lllrrrrrrrl")));
  table.add(chosen(std::vector<std::string>{"tensor", "dtype", "codec", "weights", "original", "compressed", "ratio",
                                            "bits/weight", "SQNR", "max error", "step"}));
  table.add_rule();
  for (const TensorReport& tensor : report.tensors) {
    const Sums sums = report::sums_of(tensor, report);
    std::vector<std::string> cells = row({text::shorten_middle(text::printable(tensor.name), kNameColumns),
                                          text::printable(tensor.dtype), text::printable(tensor.codec)},
                                         sums);
    const auto largest = report::max_abs_error(sums);
    cells.push_back(largest ? fmt::format("{:.3g}", *largest) : "-");
    cells.push_back(tensor.step ? fmt::format("{:.4g}", *tensor.step) : "-");
    table.add(chosen(std::move(cells)));
  }
  if (columns > 0) table.fit(0, columns);
  std::string result = table.render();
  for (const TensorReport& tensor : report.tensors)
    if (tensor.prune && tensor.elements > 0)
      result += fmt::format("pruned: {}: {} weights; {:.2f} % are zero\n", text::printable(tensor.name),
                            grouped(tensor.prune->pruned),
                            100 * static_cast<double>(tensor.prune->zeros) / static_cast<double>(tensor.elements));
  for (const TensorReport& tensor : report.tensors)
    if (!tensor.note.empty())
      result += fmt::format("note: {}: {}\n", text::printable(tensor.name), text::printable(tensor.note));
  return result;
}

std::string stage_table(const Report& report) {
  if (report.stages.empty()) return {};
  text::Table table("lrrr");
  table.add({"stage", "seconds", "bytes", "GB/s per thread"});
  table.add_rule();
  for (const StageReport& stage : report.stages)
    table.add({text::printable(stage.name), with(stage.seconds, 3), text::decimal_bytes(stage.bytes),
               with(report::gb_per_s(stage), 3)});
  const std::string overlap =
      report.overlap > 0 ? fmt::format("; {:.0f} % of them passed beside another stage", 100 * report.overlap) : "";
  return table.render() + fmt::format("(seconds are summed over threads{})\n\n", overlap);
}

std::string costs(const Report& report) {
  std::string lines = fmt::format("time         {}\n", text::duration(report.wall_seconds));
  lines += fmt::format("peak memory  {}", text::binary_bytes(report.peak_host_bytes));
  if (report.peak_device_bytes > 0)
    lines += fmt::format(" host, {} device", text::binary_bytes(report.peak_device_bytes));
  return lines + "\nunits        kB, MB, GB: powers of 1000; KiB, MiB, GiB: powers of 1024\n";
}

std::string summary(const Report& report, bool verbose) {
  const Sums total = report::total_of(report);
  std::string lines;
  if (report.overhead_bytes > 0 && total.compressed > 0)
    lines += fmt::format(
        "overhead     {} bytes ({:.2f} % of the archive): index, names, tables, heads and alignment of blocks\n",
        grouped(report.overhead_bytes),
        100 * static_cast<double>(report.overhead_bytes) / static_cast<double>(total.compressed));
  if (report.target) {
    const TargetReport& target = *report.target;
    const auto figure = [&](double value) {
      return target.name == "bytes" ? grouped(static_cast<std::uint64_t>(value)) : fmt::format("{:.6g}", value);
    };
    lines += fmt::format("target       {} {}: reached {} in {} trial{}", target.name, figure(target.wanted),
                         figure(target.reached), target.iterations, target.iterations == 1 ? "" : "s");
    if (target.step) lines += fmt::format(", step {:.4g}", *target.step);
    if (target.relative_step) lines += fmt::format(", relative_step {:.4g}", *target.relative_step);
    if (target.encodes > 1) lines += fmt::format("; encoded {} times", target.encodes);
    lines += '\n';
  }
  if (const report::PruneSums sums = report::prunes_of(report); sums.elements > 0)
    lines +=
        fmt::format("pruned       {} weights; {:.2f} % of the weights of {} tensor{} are zero\n", grouped(sums.pruned),
                    100 * static_cast<double>(sums.zeros) / static_cast<double>(sums.elements), grouped(sums.tensors),
                    sums.tensors == 1 ? "" : "s");
  if (verbose) lines += costs(report);
  const auto noted = std::count_if(report.tensors.begin(), report.tensors.end(),
                                   [](const TensorReport& tensor) { return !tensor.note.empty(); });
  if (noted > 0 && !verbose)
    lines += fmt::format("note: {} {} coded otherwise than may be expected; -v says why\n",
                         grouped(static_cast<std::uint64_t>(noted)), noted == 1 ? "tensor was" : "tensors were");
  for (const std::string& warning : report.warnings) lines += "warning: " + text::printable(warning) + "\n";
  return lines;
}

}  // namespace

std::string to_text(const Report& report, bool verbose, std::size_t columns) {
  std::string result = verbose ? title(report) + "\n" + tensor_table(report, columns) + "\n" : "";
  if (report.estimated) result += "Sizes are estimated from a sample; nothing was written.\n\n";
  result += group_table(report) + "\n";
  if (verbose) result += stage_table(report);
  return result + summary(report, verbose);
}

}  // namespace weft
