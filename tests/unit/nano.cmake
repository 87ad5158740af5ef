# The cases that the shipped model is trained on; needs Python, and nothing but its standard library.
find_package(Python3 3.9 COMPONENTS Interpreter QUIET)
if(Python3_Interpreter_FOUND AND BUILD_TESTING)
  add_test(NAME nano_cases
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/nano_cases_test.py $<TARGET_FILE:reeve-render>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(nano_cases PROPERTIES TIMEOUT 120 LABELS unit)
endif()
# the model itself: its own programs and the engine agree
reeve_test(nano_engine_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/nano_engine_test.c
           LINK test_kernel PkgConfig::JANSSON LABELS unit)
# the trainer's network in C, where the compiler knows the tiles
include(CheckCCompilerFlag)
check_c_compiler_flag("-march=sapphirerapids -mamx-bf16" REEVE_HAS_AMX_FLAGS)
if(REEVE_HAS_AMX_FLAGS AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  reeve_test(nano_step_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/nano_step_test.c LINK m LABELS unit)
  if(TARGET nano_step_test)
    target_compile_options(nano_step_test PRIVATE -O3 -ffast-math -march=sapphirerapids -w)
  endif()
endif()
