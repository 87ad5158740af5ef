foreach(part audit audit_export)
  reeve_test(${part}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/${part}_test.c LINK test_audit_world
    LABELS integration)
endforeach()
