reeve_test(kernels_parts_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_parts_test.c LINK kernels
           LABELS unit)
# the same promises with the reference and with the fast backend
foreach(backend ref cpu)
  string(TOUPPER ${backend} upper)
  reeve_test(kernels_engine_${backend}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_engine_test.c
             LINK kernels PkgConfig::JANSSON LABELS unit TIMEOUT 600)
  if(TARGET kernels_engine_${backend}_test)
    target_compile_definitions(kernels_engine_${backend}_test PRIVATE TEST_BACKEND=KERNEL_${upper})
  endif()
  foreach(subject finite thought bias closing)
    reeve_test(kernels_${subject}_${backend}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_${subject}_test.c
               LINK test_kernel PkgConfig::JANSSON LABELS unit)
    if(TARGET kernels_${subject}_${backend}_test)
      target_compile_definitions(kernels_${subject}_${backend}_test PRIVATE TEST_BACKEND=KERNEL_${upper})
    endif()
  endforeach()
endforeach()
reeve_test(kernels_options_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_options_test.c
           LINK test_kernel PkgConfig::JANSSON LABELS unit)
if(TARGET kernels_options_test)
  target_compile_definitions(kernels_options_test PRIVATE TEST_BACKEND=KERNEL_CPU)
endif()
reeve_test(kernels_grammar_cache_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_grammar_cache_test.c
           LINK kernels PkgConfig::JANSSON LABELS unit)
reeve_test(kernels_draft_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_draft_test.c LINK kernels LABELS unit)
reeve_test(kernels_adapter_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_adapter_test.c
           LINK test_kernel PkgConfig::JANSSON LABELS unit)
