reeve_test(kernels_cpu_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_cpu_test.c
  LINK test_kernel LABELS unit TIMEOUT 300)
reeve_test(kernels_cpu_truth_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_cpu_truth_test.c
  LINK test_kernel LABELS unit)
