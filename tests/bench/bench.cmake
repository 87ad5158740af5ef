# reeve-bench: every benchmark whose rooms are built; figures, never a test
if(TARGET rv_gate AND TARGET test_postgres)
  add_executable(reeve-bench ${CMAKE_CURRENT_LIST_DIR}/bench_main.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_journal.c)
  target_link_libraries(reeve-bench PRIVATE test_postgres rv_gate rv_audit rv_journal)
endif()
