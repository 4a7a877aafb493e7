#include "results.hpp"

#include <exception>
#include <fstream>
#include <utility>

#include "weft/error.hpp"

namespace weft::bench {

void Results::append(const std::string& place, const Json& entry, const Measure& measure) {
  Json& list = json_[Json::json_pointer(place)];
  if (list.is_null()) list = Json::array();
  fill(place + "/" + std::to_string(list.size()), entry, measure);
}

void Results::set(const std::string& place, const Json& entry, const Measure& measure) { fill(place, entry, measure); }

void Results::fill(const std::string& place, Json entry, const Measure& measure) {
  const Json::json_pointer at(place);
  json_[at] = entry;
  json_[at]["error"] = "it did not end";  // which is what stays if the program is killed
  write();
  try {
    measure(entry);
  } catch (const std::exception& error) {
    entry["error"] = error.what();
    failed_ = true;
  }
  json_[at] = std::move(entry);
  write();
}

void Results::write() const {
  if (file_.empty()) return;
  std::filesystem::path unfinished = file_;
  unfinished += ".part";
  std::ofstream out(unfinished);
  out << json_.dump(2) << '\n';
  out.close();
  if (!out) throw Error(ErrorKind::kIo, "cannot write " + unfinished.string());
  std::filesystem::rename(unfinished, file_);
}

}  // namespace weft::bench
