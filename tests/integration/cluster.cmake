if(TARGET reeve)
  add_executable(cluster_test ${CMAKE_CURRENT_LIST_DIR}/cluster_test.c
    ${CMAKE_SOURCE_DIR}/tests/support/http_client.c)
  target_link_libraries(cluster_test PRIVATE test_fleet)
  add_test(NAME cluster_test COMMAND cluster_test $<TARGET_FILE:reeve> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME nodes_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/nodes.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(nodes_test PROPERTIES TIMEOUT 240 LABELS integration SKIP_RETURN_CODE 77)
  set_tests_properties(cluster_test PROPERTIES TIMEOUT 600 LABELS "integration;slow" SKIP_RETURN_CODE 77)
endif()
