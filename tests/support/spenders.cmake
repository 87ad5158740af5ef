if(TARGET test_fleet)
  add_library(test_spenders STATIC ${CMAKE_CURRENT_LIST_DIR}/spenders.c)
  target_link_libraries(test_spenders PUBLIC test_fleet)
endif()
