# `cmake --install build/release --prefix FOLDER`: the program, the library, its headers, and what find_package(weft) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(WEFT_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
set(WEFT_LIBRARIES weft)
if(WEFT_HAVE_CUDA)
  list(APPEND WEFT_LIBRARIES weft_kernels)
endif()
if(TARGET weft_cli)
  install(TARGETS weft_cli)
endif()
install(TARGETS ${WEFT_LIBRARIES} EXPORT weft ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${WEFT_PUBLIC_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft)
install(EXPORT weft NAMESPACE weft:: FILE weft-targets.cmake DESTINATION ${WEFT_PACKAGE_DIR})
configure_package_config_file(cmake/weft-config.cmake.in weft-config.cmake INSTALL_DESTINATION ${WEFT_PACKAGE_DIR})
write_basic_package_version_file(weft-config-version.cmake COMPATIBILITY ExactVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/weft-config-version.cmake
  DESTINATION ${WEFT_PACKAGE_DIR})
