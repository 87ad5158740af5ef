if(TARGET reeve AND TARGET kernels)
  reeve_test(model_engine_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/model_engine_test.c
    LINK rv_model kernels test_kernel LABELS unit)
  if(TARGET model_engine_test)
    target_compile_definitions(model_engine_test PRIVATE REEVE_PROGRAM="$<TARGET_FILE:reeve>")
    add_dependencies(model_engine_test reeve)
  endif()
endif()
