reeve_test(lua_plan_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_plan_test.c LINK rv_lua LABELS unit)
reeve_test(lua_hostile_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_hostile_test.c LINK rv_lua LABELS unit)
reeve_test(lua_same_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_same_test.c LINK rv_lua LABELS unit)
reeve_test(lua_heap_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_heap_test.c LINK rv_lua LABELS unit)
reeve_test(lua_pattern_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_pattern_test.c LINK rv_lua LABELS unit)
if(TARGET rv_erp_command)
  reeve_test(lua_cases_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_cases_test.c
    LINK rv_lua rv_erp_command LABELS unit)
endif()
reeve_test(lua_replay_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_replay_test.c
  ${CMAKE_CURRENT_LIST_DIR}/../support/random_plan.c LINK rv_lua LABELS unit)
reeve_test(lua_hazards_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_hazards_test.c LINK rv_lua LABELS unit)
