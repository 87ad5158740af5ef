reeve_test(effect_rules_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/effect_rules_test.c
  LINK rv_effect LABELS unit)
reeve_test(effect_file_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/effect_file_test.c
  LINK rv_effect LABELS unit)
