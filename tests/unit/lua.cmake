reeve_test(lua_plan_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_plan_test.c LINK rv_lua LABELS unit)
