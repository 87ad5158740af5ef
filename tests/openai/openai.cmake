# The openai client, unchanged, against the real program.  Skips (77) where node or npm are absent.
if(TARGET reeve AND BUILD_TESTING)
  add_test(NAME openai_client_test
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/run.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(openai_client_test PROPERTIES TIMEOUT 600 LABELS integration SKIP_RETURN_CODE 77)
endif()
