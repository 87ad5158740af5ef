if(TARGET kernels)
  reeve_test(kernel_truth_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernel_truth_test.c
    LINK test_kernel LABELS unit)
endif()
