# reeve.cmake -- the verbs of this build: reeve_module, reeve_sql, reeve_embed, reeve_test, reeve_fuzz.
#
#   reeve_module(journal SOURCES a.c b.c LINK rv_base PkgConfig::X)  static library rv_journal
#   reeve_sql(journal DIR sql)        sql/*.sql -> journal_sql.{h,c} in rv_journal, see statement.h
#   reeve_embed(web DIR assets)       every file below DIR -> web_assets.{h,c} in rv_web
#   reeve_test(NAME SOURCES x_test.c LINK rv_journal [LABELS unit])  a Check program under CTest
#   reeve_fuzz(NAME SOURCES x_fuzz.c LINK ...)  only with REEVE_FUZZ; and a 5 s smoke run in CTest
#
# Include paths start at the repository root; generated headers are included by bare name.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(LUA REQUIRED IMPORTED_TARGET lua5.4)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET openssl)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(XML REQUIRED IMPORTED_TARGET libxml-2.0)
pkg_check_modules(CHECK IMPORTED_TARGET check)
find_program(LUA_PROGRAM NAMES lua5.4 REQUIRED)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
  "$<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wshadow;-Wstrict-prototypes;-Wmissing-prototypes;-Wcast-qual;-Wwrite-strings;-Wformat=2;-Wundef;-Wvla;-Wno-sign-conversion;-fno-common;-fstack-protector-strong>")
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options("$<$<COMPILE_LANGUAGE:C>:-Wno-format-truncation>")
endif()
if(REEVE_SANITIZE)
  add_compile_options(-fsanitize=${REEVE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${REEVE_SANITIZE})
endif()
if(REEVE_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
if(REEVE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(reeve_module name)
  cmake_parse_arguments(M "" "" "SOURCES;LINK" ${ARGN})
  add_library(rv_${name} STATIC ${M_SOURCES})
  target_include_directories(rv_${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(rv_${name} PUBLIC ${M_LINK})
endfunction()

function(reeve_generate name kind script)
  cmake_parse_arguments(G "" "DIR" "" ${ARGN})
  file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${G_DIR}/*)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}_${kind})
  add_custom_command(
    OUTPUT ${out}.c ${out}.h
    COMMAND ${LUA_PROGRAM} ${CMAKE_SOURCE_DIR}/scripts/cmake/${script} ${name} ${out}
            ${CMAKE_CURRENT_SOURCE_DIR}/${G_DIR} ${inputs}
    DEPENDS ${inputs} ${CMAKE_SOURCE_DIR}/scripts/cmake/${script}
    VERBATIM)
  target_sources(rv_${name} PRIVATE ${out}.c ${out}.h)
endfunction()

function(reeve_sql name)
  reeve_generate(${name} sql sql.lua ${ARGN})
endfunction()

function(reeve_embed name)
  reeve_generate(${name} assets embed.lua ${ARGN})
endfunction()

function(reeve_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT CHECK_FOUND OR NOT BUILD_TESTING)
    return()
  endif()
  add_executable(${name} ${T_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${T_LINK} PkgConfig::CHECK Threads::Threads)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}"
    SKIP_RETURN_CODE 77)
endfunction()

function(reeve_fuzz name)
  if(NOT REEVE_FUZZ)
    return()
  endif()
  cmake_parse_arguments(F "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${F_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${F_LINK})
  add_test(NAME ${name} COMMAND ${name} -max_total_time=5 -rss_limit_mb=1024)
  set_tests_properties(${name} PROPERTIES LABELS fuzz)
endfunction()
