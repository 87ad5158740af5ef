# reeve-bench: every benchmark whose rooms are built; figures, never a test
if(TARGET rv_gate AND TARGET rv_run AND TARGET rv_erp_command AND TARGET test_postgres)
  add_executable(reeve-bench ${CMAKE_CURRENT_LIST_DIR}/bench_main.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_journal.c ${CMAKE_CURRENT_LIST_DIR}/bench_gate.c
    ${CMAKE_CURRENT_LIST_DIR}/gate_world.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_crash.c ${CMAKE_CURRENT_LIST_DIR}/bench_import.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_lua.c ${CMAKE_CURRENT_LIST_DIR}/bench_lua_states.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_actors.c ${CMAKE_CURRENT_LIST_DIR}/peers.c
    ${CMAKE_CURRENT_LIST_DIR}/served.c ${CMAKE_CURRENT_LIST_DIR}/bench_recover.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_takeover.c ${CMAKE_CURRENT_LIST_DIR}/bench_outage.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_payloads.c ${CMAKE_CURRENT_LIST_DIR}/bench_decision.c
    ${CMAKE_SOURCE_DIR}/tests/support/fleet.c
    ${CMAKE_SOURCE_DIR}/tests/support/http_client.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_park.c ${CMAKE_CURRENT_LIST_DIR}/bench_history.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_fair.c ${CMAKE_CURRENT_LIST_DIR}/bench_search.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_replay.c ${CMAKE_CURRENT_LIST_DIR}/bench_start.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_activate.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_schedules.c)
  set_target_properties(reeve-bench PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/runtime/cli) # beside reeve: `reeve bench` runs it
  target_link_libraries(reeve-bench PRIVATE test_postgres rv_actor rv_gate rv_audit rv_journal rv_exchange
    rv_lua rv_run rv_schedule rv_http kernels)
  target_sources(reeve-bench PRIVATE ${CMAKE_CURRENT_LIST_DIR}/bench_model.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_model_mask.c ${CMAKE_CURRENT_LIST_DIR}/bench_model_encode.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_model_cpu.c ${CMAKE_CURRENT_LIST_DIR}/bench_model_serve.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_model_goals.c ${CMAKE_CURRENT_LIST_DIR}/bench_model_words.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_model_gpu.c ${CMAKE_CURRENT_LIST_DIR}/bench_model_sample.c)
  set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/bench_model_cpu.c TARGET_DIRECTORY reeve-bench
    PROPERTIES COMPILE_OPTIONS "-O2;-Wno-psabi")
  target_sources(reeve-bench PRIVATE ${CMAKE_CURRENT_LIST_DIR}/bench_claims.c
    ${CMAKE_CURRENT_LIST_DIR}/bench_budgets.c ${CMAKE_SOURCE_DIR}/tests/support/spenders.c)
  target_link_libraries(reeve-bench PRIVATE test_words test_kernel test_contest)
  if(TARGET test_erp_world)
    target_sources(reeve-bench PRIVATE ${CMAKE_CURRENT_LIST_DIR}/bench_ledger.c
      ${CMAKE_CURRENT_LIST_DIR}/bench_detect.c)
    target_link_libraries(reeve-bench PRIVATE test_erp_world)
    target_compile_definitions(reeve-bench PRIVATE REEVE_BENCH_ERP)
  endif()
endif()
