add_library(test_fleet STATIC ${CMAKE_CURRENT_LIST_DIR}/fleet.c)
target_include_directories(test_fleet PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(test_fleet PUBLIC rv_base PkgConfig::PQ Threads::Threads)
