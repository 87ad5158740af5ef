reeve_test(kernels_parts_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_parts_test.c LINK kernels
           LABELS unit)
