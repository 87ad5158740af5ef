if(TARGET reeve)
  add_test(NAME runs_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/runs.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(runs_test PROPERTIES TIMEOUT 300 LABELS "integration;slow"
    SKIP_RETURN_CODE 77)
endif()
