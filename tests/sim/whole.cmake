# The whole runtime in virtual time, above a simulated database and network: see tests/sim/README.md.
# These files stand in for objects of the product's libraries: loop.c for runtime/loop/loop.c, wire.c for
# runtime/db/link.c, post.c for runtime/hooks/post.c, outside.c for
# runtime/effect/perform_file.c, chance.c for runtime/base/random.c, heap.c for
# runtime/base/check.c, line.c for runtime/cluster/line.c, books.c for the catalogue of erp/command.  What the program defines itself the linker
# does not take from a library; a function that is missing here would bring the real object, and the link
# fails with two definitions.
set(whole ${CMAKE_CURRENT_LIST_DIR}/whole)
reeve_test(whole_test SOURCES ${whole}/whole_test.c ${whole}/world.c ${whole}/people.c ${whole}/model.c ${whole}/asks.c ${whole}/node.c ${whole}/cluster.c ${whole}/wire.c ${whole}/loop.c
    ${whole}/post.c ${whole}/outside.c ${whole}/rules_outside.c ${whole}/line.c ${whole}/chance.c ${whole}/heap.c ${whole}/books.c ${whole}/rules.c ${whole}/rules_told.c ${whole}/rules_alive.c ${whole}/versions.c ${whole}/base.c ${CMAKE_SOURCE_DIR}/runtime/cli/writes.c
    ${whole}/say_journal.c ${whole}/say_nodes.c ${whole}/say_run.c ${whole}/say_look.c ${whole}/say_claim.c ${whole}/say_flow.c ${whole}/say_versions.c ${whole}/say_messages.c ${whole}/say_gate.c ${whole}/say_hooks.c ${whole}/say_schedule.c ${whole}/say_effect.c
  LINK rv_run rv_hooks rv_schedule rv_lua rv_cluster LABELS sim TIMEOUT 600)
if(TARGET whole_test)
  target_compile_definitions(whole_test PRIVATE SIM_WHOLE_DIR="${whole}/plans")
  if(NOT REEVE_SANITIZE AND NOT REEVE_COVERAGE)
    target_compile_options(whole_test PRIVATE -O2) # of the simulation alone: the product stays as it is built
  endif()
  # 10,000 seeds in two processes that no other test stands beside; far fewer under a sanitizer (whole_test.c).
  add_test(NAME whole_seeds COMMAND whole_test --suite 2 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(whole_seeds PROPERTIES TIMEOUT 900 LABELS sim PROCESSORS 2)
endif()
reeve_test(whole_same_test SOURCES ${whole}/whole_same_test.c ${whole}/base.c ${whole}/say_journal.c ${whole}/say_nodes.c ${whole}/say_run.c ${whole}/say_look.c ${whole}/say_claim.c ${whole}/say_flow.c ${whole}/say_versions.c ${whole}/say_messages.c
    ${whole}/say_gate.c ${whole}/say_hooks.c ${whole}/say_schedule.c ${whole}/say_effect.c
  LINK test_postgres rv_run rv_hooks rv_cluster rv_schedule rv_erp_command rv_erp_exception LABELS sim TIMEOUT 300)
