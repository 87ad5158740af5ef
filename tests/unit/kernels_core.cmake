foreach(subject quant gguf model forward truth ops)
  reeve_test(kernels_${subject}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_${subject}_test.c
    LINK test_kernel LABELS unit)
endforeach()
