reeve_test(kernels_split_merge_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_split_merge_test.c
  LINK kernels LABELS unit)
reeve_test(kernels_vocab_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_vocab_test.c
  LINK kernels test_vocab_file LABELS unit)
reeve_test(kernels_chat_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_chat_test.c
  LINK kernels test_vocab_file rv_base LABELS unit)
reeve_test(kernels_vocab_shared_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/kernels_vocab_shared_test.c
  LINK kernels test_vocab_file rv_base LABELS unit TIMEOUT 300)
