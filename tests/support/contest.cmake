if(TARGET rv_run AND TARGET rv_gate)
  add_library(test_contest STATIC ${CMAKE_CURRENT_LIST_DIR}/contest.c)
  target_link_libraries(test_contest PUBLIC test_postgres rv_run rv_gate rv_audit rv_journal)
endif()
