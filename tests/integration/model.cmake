if(TARGET reeve AND BUILD_TESTING)
  add_test(NAME model_program_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/model.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(model_program_test PROPERTIES TIMEOUT 300 LABELS "integration;slow"
    SKIP_RETURN_CODE 77)
endif()
if(TARGET reeve AND BUILD_TESTING)
  add_test(NAME unsure_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/unsure.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(unsure_test PROPERTIES TIMEOUT 300 LABELS "integration;slow" SKIP_RETURN_CODE 77)
endif()
