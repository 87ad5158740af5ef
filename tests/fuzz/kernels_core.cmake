reeve_fuzz(gguf_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/gguf_fuzz.c LINK kernels)
