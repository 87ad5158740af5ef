# llhttp.cmake -- where the HTTP parser comes from; gives the target reeve_llhttp.
#
# A distribution's own library (pkg-config or -lllhttp) is preferred.  Debian has none, but its
# package node-llhttp installs the generated C sources, which are compiled from where they lie;
# nothing is copied into this repository.  -DREEVE_LLHTTP_DIR=DIR names another place that holds
# llhttp.c, api.c, http.c and llhttp.h (e.g. an unpacked llhttp release).

set(REEVE_LLHTTP_DIR "" CACHE PATH "directory with llhttp.c, api.c, http.c and llhttp.h")

pkg_check_modules(LLHTTP QUIET IMPORTED_TARGET libllhttp)
if(LLHTTP_FOUND AND NOT REEVE_LLHTTP_DIR)
  add_library(reeve_llhttp INTERFACE)
  target_link_libraries(reeve_llhttp INTERFACE PkgConfig::LLHTTP)
  return()
endif()

find_path(REEVE_LLHTTP_SOURCE llhttp.c
  HINTS ${REEVE_LLHTTP_DIR} ${REEVE_LLHTTP_DIR}/src
  PATHS /usr/share/llhttp /usr/share/nodejs/llhttp /usr/share/node_modules/llhttp
        /usr/share/node_modules/llhttp/src /usr/local/share/llhttp
  PATH_SUFFIXES src NO_CMAKE_FIND_ROOT_PATH)
find_path(REEVE_LLHTTP_INCLUDE llhttp.h
  HINTS ${REEVE_LLHTTP_DIR} ${REEVE_LLHTTP_DIR}/include
  PATHS /usr/share/include/llhttp /usr/share/nodejs/llhttp/include
        /usr/share/node_modules/llhttp/include /usr/local/include)
if(NOT REEVE_LLHTTP_SOURCE OR NOT REEVE_LLHTTP_INCLUDE)
  message(FATAL_ERROR
    "The sources of llhttp (llhttp.c, llhttp.h) were not found.\n"
    "Install the package node-llhttp (apt install node-llhttp), or give their directory with "
    "-DREEVE_LLHTTP_DIR=DIR.")
endif()

add_library(reeve_llhttp STATIC ${REEVE_LLHTTP_SOURCE}/llhttp.c ${REEVE_LLHTTP_SOURCE}/api.c
  ${REEVE_LLHTTP_SOURCE}/http.c)
target_include_directories(reeve_llhttp SYSTEM PUBLIC ${REEVE_LLHTTP_INCLUDE})
target_compile_definitions(reeve_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
target_compile_options(reeve_llhttp PRIVATE -w) # foreign, generated code
