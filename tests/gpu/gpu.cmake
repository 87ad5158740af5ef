# what runs on a machine with a GPU: scripts/check-gpu
if(TARGET reeve-cuda AND TARGET test_kernel)
  add_executable(reeve-gpu-check ${CMAKE_CURRENT_LIST_DIR}/gpu_check.c)
  set_target_properties(reeve-gpu-check PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/runtime/cli)
  target_link_libraries(reeve-gpu-check PRIVATE test_kernel)
endif()
