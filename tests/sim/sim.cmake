# Days of runs in virtual time: real run actors and plans above a simulated port.
reeve_test(sim_run_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/sim_run_test.c
  ${CMAKE_CURRENT_LIST_DIR}/sim_world.c ${CMAKE_CURRENT_LIST_DIR}/sim_port.c
  ${CMAKE_CURRENT_LIST_DIR}/sim_check.c ${CMAKE_CURRENT_LIST_DIR}/sim_plans.c
  LINK rv_run LABELS sim TIMEOUT 300)
if(TARGET sim_run_test)
  target_compile_definitions(sim_run_test PRIVATE SIM_PLANS_DIR="${CMAKE_CURRENT_LIST_DIR}/plans")
endif()
