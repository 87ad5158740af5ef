reeve_test(cluster_wire_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/cluster_wire_test.c
  LINK rv_cluster LABELS unit)
reeve_test(cluster_line_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/cluster_line_test.c
  LINK rv_cluster LABELS unit)
