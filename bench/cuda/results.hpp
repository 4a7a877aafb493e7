// What has been measured so far, in a file that is whole at any time: a kernel that fails, crashes or hangs takes
// nothing along but itself.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace weft::bench {

using Json = nlohmann::ordered_json;

class Results {
 public:
  using Measure = std::function<void(Json&)>;

  // Without a file they are in memory only.
  explicit Results(std::filesystem::path file) : file_(std::move(file)) {}

  // Appends `entry` to the list at `place`, a JSON pointer, and has `measure` put into it what it finds. What that throws
  // becomes the entry's "error", beside what it has by then.
  void append(const std::string& place, const Json& entry, const Measure& measure);
  // The same for what is alone at its place.
  void set(const std::string& place, const Json& entry, const Measure& measure);

  [[nodiscard]] const Json& json() const noexcept { return json_; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  void fill(const std::string& place, Json entry, const Measure& measure);
  void write() const;

  std::filesystem::path file_;
  Json json_;
  bool failed_ = false;
};

}  // namespace weft::bench
