if(TARGET kernels)
  add_library(test_kernel STATIC ${CMAKE_CURRENT_LIST_DIR}/kernel_world.c
    ${CMAKE_CURRENT_LIST_DIR}/kernel_truth.c)
  target_include_directories(test_kernel PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(test_kernel PUBLIC kernels rv_base)
endif()
