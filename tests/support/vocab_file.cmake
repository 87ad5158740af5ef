# model files of nothing but metadata, for tests of vocabularies and chat formats
find_package(ZLIB REQUIRED)
add_library(test_vocab_file STATIC ${CMAKE_CURRENT_LIST_DIR}/vocab_file.c)
target_include_directories(test_vocab_file PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(test_vocab_file PUBLIC ZLIB::ZLIB)
