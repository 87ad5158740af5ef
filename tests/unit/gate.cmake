foreach(part policy policy_language policy_law policy_explain policy_hostile)
  reeve_test(${part}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/${part}_test.c LINK rv_gate LABELS unit)
endforeach()
reeve_test(stages_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/stages_test.c LINK rv_gate LABELS unit)
reeve_test(policy_catalogue_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_catalogue_test.c
  LINK rv_gate rv_erp_command LABELS unit)
