reeve_fuzz(lua_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/lua_fuzz.c LINK rv_lua)
