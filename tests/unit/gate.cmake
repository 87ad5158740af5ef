reeve_test(policy_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_test.c LINK rv_gate LABELS unit)
reeve_test(stages_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/stages_test.c LINK rv_gate LABELS unit)
