if(TARGET test_cuda_on_host)
  reeve_test(kernels_cuda_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_cuda_test.c
    LINK test_kernel test_cuda_on_host LABELS unit TIMEOUT 300)
  reeve_test(kernels_device_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_device_test.c LINK test_kernel LABELS unit)
  foreach(subject finite thought)
    reeve_test(kernels_${subject}_cuda_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_${subject}_test.c
      LINK test_kernel LABELS unit TIMEOUT 300)
    if(TARGET kernels_${subject}_cuda_test)
      add_dependencies(kernels_${subject}_cuda_test test_cuda_plugin)
      target_compile_definitions(kernels_${subject}_cuda_test PRIVATE TEST_BACKEND=KERNEL_CUDA
        TEST_PLUGIN="$<TARGET_FILE:test_cuda_plugin>" TEST_QUESTIONS=2)
    endif()
  endforeach()
  if(TARGET kernels_device_test)
    add_dependencies(kernels_device_test test_cuda_plugin test_cuda_rows_plugin)
    target_compile_definitions(kernels_device_test PRIVATE PLUGIN="$<TARGET_FILE:test_cuda_plugin>"
      ROWS_PLUGIN="$<TARGET_FILE:test_cuda_rows_plugin>")
  endif()
endif()
