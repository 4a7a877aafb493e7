#include "formats/shard_index.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/file.hpp"
#include "json/strict_json.hpp"
#include "weft/error.hpp"

namespace weft::formats {
namespace {

using json::quote_brief;

constexpr std::uint64_t kMaxIndexBytes = 100'000'000;

[[noreturn]] void fail(const std::filesystem::path& index, const std::string& what) {
  throw Error(ErrorKind::kInput, fmt::format("{}: {}", index.string(), what));
}

nlohmann::json parse(const std::filesystem::path& index) {
  try {
    return json::parse_strict(io::read_text(index, kMaxIndexBytes));
  } catch (const json::JsonError& error) {
    fail(index, fmt::format("not valid JSON: {}", error.what()));
  }
}

}  // namespace

void check_shard_index(const std::filesystem::path& index, std::span<const FileInfo> files,
                       std::span<const TensorInfo> tensors) {
  const nlohmann::json json = parse(index);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    fail(index, "there is no \"weight_map\" object, which says which file has which tensor");

  std::map<std::string_view, const FileInfo*> shards;
  for (const FileInfo& file : files)
    if (file.kind == FileInfo::Kind::kSafetensors) shards.emplace(file.name, &file);
  std::map<std::string_view, std::size_t> numbers;
  for (std::size_t i = 0; i < tensors.size(); i++) numbers.emplace(tensors[i].name, i);

  std::set<const FileInfo*> named;
  std::vector<bool> mapped(tensors.size());
  for (const auto& [tensor, value] : json["weight_map"].items()) {
    if (!value.is_string())
      fail(index, fmt::format("weight_map: the file of tensor {} is not a string", quote_brief(tensor)));
    const std::string& shard = value.get_ref<const std::string&>();
    if (shard.find_first_of("/\\") != shard.npos)
      fail(index, fmt::format("weight_map: the file of tensor {}, {}, is in another folder", quote_brief(tensor),
                              quote_brief(shard)));
    const auto file = shards.find(shard);
    if (file == shards.end())
      fail(index,
           fmt::format("weight_map: tensor {} is said to be in {}, but there is no safetensors file of that name "
                       "in the folder",
                       quote_brief(tensor), quote_brief(shard)));
    named.insert(file->second);
    const auto number = numbers.find(tensor);
    const std::size_t first = file->second->first_tensor, count = file->second->tensor_count;
    if (number == numbers.end() || number->second - first >= count)
      fail(index, fmt::format("weight_map: tensor {} is said to be in {}, but that file does not have it",
                              quote_brief(tensor), quote_brief(shard)));
    mapped[number->second] = true;
  }
  for (const FileInfo* file : named)
    for (std::size_t i = file->first_tensor; i < file->first_tensor + file->tensor_count; i++)
      if (!mapped[i])
        fail(index, fmt::format("weight_map: tensor {} of {} is missing", quote_brief(tensors[i].name),
                                quote_brief(file->name)));
}

}  // namespace weft::formats
