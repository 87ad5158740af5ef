if(TARGET reeve)
  foreach(part begin once bulk hostile schedules_http revive claims ask runs sleepers askers children budgets flow wake versions history
          blobs fork holds messages retention run_model)
    add_test(NAME ${part}_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/${part}.sh $<TARGET_FILE:reeve>
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${part}_test PROPERTIES TIMEOUT 300 LABELS "integration;slow"
      SKIP_RETURN_CODE 77)
  endforeach()
endif()
if(TARGET reeve AND TARGET test_spenders)
  add_executable(spenders_test ${CMAKE_CURRENT_LIST_DIR}/spenders_test.c)
  target_link_libraries(spenders_test PRIVATE test_spenders)
  add_test(NAME spenders_test COMMAND spenders_test $<TARGET_FILE:reeve> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(spenders_test PROPERTIES TIMEOUT 300 LABELS integration SKIP_RETURN_CODE 77)
endif()
if(TARGET test_contest)
  reeve_test(contest_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/contest_test.c LINK test_contest LABELS integration)
endif()
reeve_test(store_load_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_load_test.c LINK test_postgres rv_run LABELS integration)
