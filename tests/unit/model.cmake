reeve_test(model_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/model_test.c LINK rv_model LABELS unit)
