reeve_test(erp_domain_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/erp_domain_test.c LINK rv_erp_domain
  LABELS unit)
