reeve_test(hooks_sign_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/hooks_sign_test.c
  ${CMAKE_SOURCE_DIR}/runtime/hooks/sign.c ${CMAKE_SOURCE_DIR}/runtime/hooks/address.c
  LINK rv_base PkgConfig::SODIUM LABELS unit)
reeve_test(hooks_vault_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/hooks_vault_test.c
  ${CMAKE_SOURCE_DIR}/runtime/hooks/vault.c LINK rv_base PkgConfig::SODIUM LABELS unit)
