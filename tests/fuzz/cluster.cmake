reeve_fuzz(cluster_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/cluster_fuzz.c LINK rv_cluster)
