add_library(test_audit_world STATIC ${CMAKE_CURRENT_LIST_DIR}/audit_world.c)
target_include_directories(test_audit_world PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(test_audit_world PUBLIC test_postgres rv_audit rv_gate)
