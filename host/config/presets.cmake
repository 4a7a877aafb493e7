# Embeds the presets into the library: writes a source with the text of each configs/<name>.json, at configure time and
# again when one of them changes. A new preset is a file and a word here.
set(WEFT_PRESETS lossless near-lossless balanced small lut4 deep-compression)

set(WEFT_PRESET_LINES "")
foreach(preset IN LISTS WEFT_PRESETS)
  set(file ${CMAKE_CURRENT_LIST_DIR}/../../configs/${preset}.json)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(APPEND WEFT_PRESET_LINES "    {\"${preset}\", R\"json(${text})json\"},\n")
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/presets_data.cpp.in ${CMAKE_BINARY_DIR}/generated/presets_data.cpp @ONLY)
target_sources(weft PRIVATE ${CMAKE_BINARY_DIR}/generated/presets_data.cpp)
