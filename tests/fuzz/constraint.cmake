if(TARGET test_words)
  reeve_fuzz(constraint_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/constraint_fuzz.c LINK test_words)
endif()
