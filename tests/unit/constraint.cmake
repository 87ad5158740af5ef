if(TARGET test_words)
  reeve_test(constraint_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/constraint_test.c LINK test_words LABELS unit)
  reeve_test(constraint_key_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/constraint_key_test.c LINK test_words LABELS unit)
  reeve_test(constraint_cost_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/constraint_cost_test.c LINK test_words LABELS unit)
  reeve_test(constraint_walk_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/constraint_walk_test.c
    LINK test_words LABELS unit TIMEOUT 300)
  reeve_test(kernels_schema_number_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_schema_number_test.c
    LINK test_words LABELS unit)
  reeve_test(kernels_schema_work_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_schema_work_test.c
    LINK test_words LABELS unit TIMEOUT 300)
endif()
