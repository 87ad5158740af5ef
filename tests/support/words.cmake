# Vocabularies for tests and benchmarks of schema-constrained decoding.
if(TARGET kernels)
  add_library(test_words STATIC ${CMAKE_CURRENT_LIST_DIR}/words.c ${CMAKE_CURRENT_LIST_DIR}/order.c
    ${CMAKE_CURRENT_LIST_DIR}/random_schema.c)
  target_link_libraries(test_words PUBLIC kernels PkgConfig::JANSSON)
endif()
