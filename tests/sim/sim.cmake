# Runs in virtual time: real run actors and plans above a simulated port.  sim_run_test: seeded days of
# faults; sim_story_test: single stories.
foreach(test sim_run_test sim_story_test)
  reeve_test(${test} SOURCES ${CMAKE_CURRENT_LIST_DIR}/${test}.c
    ${CMAKE_CURRENT_LIST_DIR}/sim_world.c ${CMAKE_CURRENT_LIST_DIR}/sim_port.c
    ${CMAKE_CURRENT_LIST_DIR}/sim_check.c ${CMAKE_CURRENT_LIST_DIR}/sim_plans.c
    LINK rv_run LABELS sim TIMEOUT 600)
  if(TARGET ${test})
    target_compile_definitions(${test} PRIVATE SIM_PLANS_DIR="${CMAKE_CURRENT_LIST_DIR}/plans")
  endif()
endforeach()
