# version.cmake -- writes version_build.h at every build, but only touches it when something changed.
# In: OUT SOURCE_DIR VERSION BUILD_TYPE COMPILER SANITIZE CUDA and the versions of the libraries.
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=12
  OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT COMMIT)
  set(COMMIT unknown) # built from an archive
endif()
set(text "/* Written by version.cmake. */\n")
foreach(name VERSION COMMIT BUILD_TYPE COMPILER SANITIZE CUDA LIBUV LUA LIBPQ JANSSON LIBSODIUM
    OPENSSL LIBCURL LIBXML2)
  string(APPEND text "#define REEVE_${name} \"${${name}}\"\n")
endforeach()
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()
