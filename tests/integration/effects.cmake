if(TARGET reeve)
  add_executable(receiver ${CMAKE_SOURCE_DIR}/tests/support/receiver.c)
  foreach(part effects effects_crash effects_nodes story trace otlp)
    add_test(NAME ${part}_test
      COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/${part}.sh $<TARGET_FILE:reeve> $<TARGET_FILE:receiver>
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${part}_test PROPERTIES TIMEOUT 300 LABELS "integration;slow"
      SKIP_RETURN_CODE 77)
  endforeach()
endif()
