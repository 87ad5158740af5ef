if(TARGET test_vocab_file)
  reeve_fuzz(vocab_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/vocab_fuzz.c LINK kernels test_vocab_file)
endif()
