if(TARGET rv_exchange)
  add_executable(bench_import ${CMAKE_CURRENT_LIST_DIR}/bench_import.c)
  target_link_libraries(bench_import PRIVATE rv_exchange)
endif()
