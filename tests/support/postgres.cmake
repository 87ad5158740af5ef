add_library(test_postgres STATIC ${CMAKE_CURRENT_LIST_DIR}/postgres.c)
target_include_directories(test_postgres PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(test_postgres PUBLIC rv_db)
