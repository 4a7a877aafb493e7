// The program's two channels: data on standard output, human text on standard error.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace weft::cli {

// Makes sure that descriptors 0 to 2 are taken. Otherwise the first file we open could become "standard error", and a
// message would be written into an archive.
void reserve_standard_descriptors();

// The width of the terminal that a descriptor is; 0 when it is none.
[[nodiscard]] std::size_t columns_of(int descriptor) noexcept;

// Throws Error(kIo) when standard output does not take it, such as a full disk.
void put_data(std::string_view text);
void put_json(const nlohmann::ordered_json& json);
// Never fails: there is nobody left to tell.
void put_text(std::string_view text) noexcept;

}  // namespace weft::cli
