if(TARGET reeve)
  add_test(NAME cli_program_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/cli.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME agents_readme_test
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/agents_readme.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME cli_json_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/json.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME wrong_input_test
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/wrong_input.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME people_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/people.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME top_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/top.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME metrics_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/metrics.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME answers_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/answers.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME event_export_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/event_export.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(event_export_test metrics_test answers_test cli_program_test agents_readme_test wrong_input_test people_test top_test cli_json_test PROPERTIES TIMEOUT 180 LABELS integration
    SKIP_RETURN_CODE 77)
endif()
if(TARGET reeve) # seventy starts of the program, and a parser's start for each answer
  set_tests_properties(cli_json_test PROPERTIES TIMEOUT 300 LABELS "integration;slow")
endif()
