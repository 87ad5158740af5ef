if(TARGET reeve AND TARGET kernels AND BUILD_TESTING)
  add_executable(make_adapter ${CMAKE_SOURCE_DIR}/tests/support/make_adapter.c)
  target_link_libraries(make_adapter PRIVATE test_kernel)
  add_test(NAME model_registry_test
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/registry.sh $<TARGET_FILE:reeve> $<TARGET_FILE:make_adapter>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME agent_adapters_test
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/agent_adapters.sh $<TARGET_FILE:reeve> $<TARGET_FILE:make_adapter>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(model_registry_test agent_adapters_test
    PROPERTIES TIMEOUT 300 LABELS integration SKIP_RETURN_CODE 77)
endif()
