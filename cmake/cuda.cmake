# The CUDA backend, when a toolkit is there. WEFT_CUDA: AUTO builds without them when none is found, ON makes that an error.
if(WEFT_CUDA STREQUAL "OFF")
  return()
endif()

# The toolkit's usual place is often not on the PATH.
find_program(WEFT_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
set(WEFT_HAVE_CUDA OFF)
if(WEFT_NVCC)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 90-virtual)
  endif()
  include(CheckLanguage)
  set(ENV{CUDACXX} ${WEFT_NVCC})
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(WEFT_HAVE_CUDA ON)
  endif()
endif()
if(NOT WEFT_HAVE_CUDA)
  if(WEFT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "WEFT_CUDA is ON but no working CUDA toolkit was found; set CUDA_HOME, or WEFT_CUDA to AUTO")
  endif()
  message(STATUS "CUDA: no toolkit, building for the CPU only")
  return()
endif()

enable_language(CUDA)
# CMake 3.25 does not know yet that nvcc has C++20, and would refuse the project's standard.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
find_package(CUDAToolkit REQUIRED)
message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")

# -fmad=false for the same reason as -ffp-contract=off. A host function called in device code is only a warning to nvcc,
# so all warnings are errors. ptxas tells the registers and spills of every kernel (-v); the launcher keeps that beside
# the object, where a test reads it. -Wpedantic is left out: it complains about nvcc's own output.
set(WEFT_CUDA_FLAGS -fmad=false -Werror=all-warnings -Xptxas=-v -Xcompiler=-Wall,-Wextra,-Wshadow)

file(GLOB WEFT_KERNEL_SOURCES CONFIGURE_DEPENDS cuda/kernels/*.cu)
set(WEFT_KERNEL_FOLDERS include cuda host)
add_library(weft_kernels STATIC ${WEFT_KERNEL_SOURCES})
list(TRANSFORM WEFT_KERNEL_FOLDERS PREPEND ${CMAKE_SOURCE_DIR}/)
target_include_directories(weft_kernels PUBLIC "$<BUILD_INTERFACE:${WEFT_KERNEL_FOLDERS}>")
target_link_libraries(weft_kernels PUBLIC CUDA::cudart_static)
target_compile_options(weft_kernels PRIVATE ${WEFT_CUDA_FLAGS})
# Half the program's size, and less to travel to a GPU (./dev gpu --pack). Drivers that such a toolkit wants unpack it.
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  target_compile_options(weft_kernels PRIVATE --compress-mode=size)
endif()
set_target_properties(weft_kernels PROPERTIES
  RULE_LAUNCH_COMPILE "${CMAKE_SOURCE_DIR}/tools/keep_ptxas_report.sh <OBJECT>")

# As PTX, for `./dev ptx`.
add_library(weft_ptx OBJECT EXCLUDE_FROM_ALL ${WEFT_KERNEL_SOURCES})
target_include_directories(weft_ptx PRIVATE include cuda host)
target_compile_options(weft_ptx PRIVATE ${WEFT_CUDA_FLAGS})
set_target_properties(weft_ptx PROPERTIES CUDA_PTX_COMPILATION ON CUDA_ARCHITECTURES 90-virtual)

# What calls the kernels is plain C++; it becomes part of the library.
file(GLOB WEFT_CUDA_SOURCES CONFIGURE_DEPENDS cuda/*.cpp)
target_sources(weft PRIVATE ${WEFT_CUDA_SOURCES})
target_link_libraries(weft PRIVATE weft_kernels)
set_source_files_properties(host/backends/cuda/find_devices.cpp host/backends/cuda/device_interface.cpp
  PROPERTIES COMPILE_DEFINITIONS WEFT_HAVE_CUDA)

add_subdirectory(examples)
if(WEFT_BENCH)
  add_subdirectory(bench/cuda)
endif()

