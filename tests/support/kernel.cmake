# models on a backend, reference values, and the comparison of a backend's operations with the reference
add_library(test_kernel STATIC)
foreach(part world file company ops ops_sequence ops_pick truth)
  target_sources(test_kernel PRIVATE ${CMAKE_CURRENT_LIST_DIR}/kernel_${part}.c)
endforeach()
target_include_directories(test_kernel PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(test_kernel PUBLIC kernels rv_base)
