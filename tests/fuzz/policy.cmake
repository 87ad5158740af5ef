reeve_fuzz(policy_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_fuzz.c LINK rv_gate)
