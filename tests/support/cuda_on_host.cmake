# kernels/cuda compiled for this machine: see cuda_on_host.h.  Sanitizers do not follow its fibres.
include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER AND NOT REEVE_SANITIZE)
  enable_language(CXX)
  add_library(test_cuda_on_host STATIC ${CMAKE_CURRENT_LIST_DIR}/cuda_on_host.cc)
  foreach(part matrix multiply rows attention choose cuda)
    set(copy ${CMAKE_CURRENT_BINARY_DIR}/cuda_${part}.cc) # a name that a C++ compiler knows
    file(CONFIGURE OUTPUT ${copy} CONTENT "#include \"kernels/cuda/${part}.cu\"\n")
    target_sources(test_cuda_on_host PRIVATE ${copy})
  endforeach()
  target_compile_features(test_cuda_on_host PRIVATE cxx_std_20)
  target_compile_definitions(test_cuda_on_host PRIVATE REEVE_CUDA_ON_HOST)
  target_compile_options(test_cuda_on_host PRIVATE -O2 -ffp-contract=off -Wall -Wno-unknown-pragmas
    -Wno-deprecated-enum-enum-conversion -include ${CMAKE_CURRENT_LIST_DIR}/cuda_on_host.h)
  target_include_directories(test_cuda_on_host PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(test_cuda_on_host PUBLIC kernels)
  # as the plug-in that an engine opens
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/cuda_plugin.cc CONTENT "")
  add_library(test_cuda_plugin MODULE ${CMAKE_CURRENT_BINARY_DIR}/cuda_plugin.cc)
  target_link_libraries(test_cuda_plugin PRIVATE -Wl,--whole-archive test_cuda_on_host -Wl,--no-whole-archive)
  # and one that leaves all rows to the host
  add_library(test_cuda_rows_plugin MODULE ${CMAKE_CURRENT_LIST_DIR}/cuda_rows_plugin.c)
  target_include_directories(test_cuda_rows_plugin PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(test_cuda_rows_plugin PRIVATE PLUGIN="$<TARGET_FILE:test_cuda_plugin>")
  add_dependencies(test_cuda_rows_plugin test_cuda_plugin)
endif()
