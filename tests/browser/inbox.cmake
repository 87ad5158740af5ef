# The inbox in a real Chromium.  Skips (77), saying why, where chromium, node or playwright-core are
# absent; `npm ci` in tests/browser installs the latter.
if(BUILD_TESTING AND CHECK_FOUND)
  add_executable(inbox_server ${CMAKE_CURRENT_LIST_DIR}/inbox_server.c)
  target_link_libraries(inbox_server PRIVATE rv_test_http)
  add_test(NAME inbox_browser_test
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/run.sh inbox.test.mjs $<TARGET_FILE:inbox_server> ${CMAKE_BINARY_DIR}/browser
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_test(NAME run_browser_test
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/run.sh run.test.mjs $<TARGET_FILE:reeve> ${CMAKE_BINARY_DIR}/browser
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(inbox_browser_test run_browser_test PROPERTIES TIMEOUT 180 LABELS browser SKIP_RETURN_CODE 77)
endif()
