# The whole road with the real program: documents in, exceptions, agents, gate, people, books, proof.
if(BUILD_TESTING)
  foreach(part chain demo deny crash serve person)
    add_test(NAME road_${part}_test
      COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/road.sh $<TARGET_FILE:reeve> ${part}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(road_${part}_test PROPERTIES TIMEOUT 300 LABELS road SKIP_RETURN_CODE 77)
  endforeach()
endif()
