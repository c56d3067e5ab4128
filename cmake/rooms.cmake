# How rooms, programs and tests are declared.
#
# A room is a folder with C sources and one or two public headers. It becomes the static
# library td_<room>. It sees its own headers, the public headers of the rooms in its
# DEPENDS, and nothing else: including another room's header does not compile, because
# the include path holds links to those headers only, and libraries are linked PRIVATE.
# cmake/arrows.txt says which DEPENDS are allowed.
#
#   # tenantd/store/CMakeLists.txt
#   td_room(store
#           SOURCES store.c commit.c record.c
#           PUBLIC_HEADERS store.h          # left out: every header of the room
#           DEPENDS base                    # rooms
#           PRIVATE_LIBS lmdb)              # pkg-config modules, or targets with ::
#
# In the sources: #include "base/error.h", #include "store/store.h".
#
#   # tests/unit/store.cmake (every tests/unit/*.cmake is read)
#   td_unit_test(store_commit               # builds test_store_commit, label `unit`
#                SOURCES test_store_commit.c
#                DEPENDS store base
#                PRIVATE_LIBS jansson       # besides cmocka
#                WRAP malloc)               # -Wl,--wrap=malloc
#
#   # tests/fuzz/store.cmake: one LLVMFuzzerTestOneInput
#   td_fuzz(store_record                    # builds fuzz_store_record; the corpus is
#           SOURCES fuzz_store_record.c     # tests/fuzz/corpus/store_record/
#           DEPENDS store base)
#
# td_model_test and td_bench take the same words as td_unit_test; a model test has the
# label `model`, a bench program is only built. Tests may include any header of the tree
# ("store/record.h", also private ones), but link only what they depend on.

include_guard()
include(CheckCCompilerFlag)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/arrows.txt td_arrow_lines REGEX "^[a-z]+:")
set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
	${CMAKE_CURRENT_LIST_DIR}/arrows.txt)
set(TD_ROOMS)
foreach(line IN LISTS td_arrow_lines)
	string(REGEX REPLACE ":.*" "" room "${line}")
	string(REGEX REPLACE "^[a-z]+: *" "" below "${line}")
	separate_arguments(below)
	list(APPEND TD_ROOMS ${room})
	set(TD_ARROWS_${room} ${below})
	# Rooms stand in tenantd/, three of them at the top of the tree.
	if(room MATCHES "^(policies|quota|lvm|kube|meter)$" AND
			NOT EXISTS ${CMAKE_SOURCE_DIR}/tenantd/${room}/CMakeLists.txt)
		set(TD_DIR_${room} ${CMAKE_SOURCE_DIR}/${room})
	else()
		set(TD_DIR_${room} ${CMAKE_SOURCE_DIR}/tenantd/${room})
	endif()
endforeach()

# td_link(target foreign...): pkg-config modules by name, or targets with ::.
function(td_link target)
	foreach(lib IN LISTS ARGN)
		if(lib MATCHES "::")
			target_link_libraries(${target} PRIVATE ${lib})
		elseif(lib MATCHES "^(m|dl|rt)$")
			target_link_libraries(${target} PRIVATE ${lib})
		else()
			string(MAKE_C_IDENTIFIER "TD_PC_${lib}" var)
			pkg_check_modules(${var} REQUIRED QUIET IMPORTED_TARGET GLOBAL ${lib})
			target_link_libraries(${target} PRIVATE PkgConfig::${var})
		endif()
	endforeach()
endfunction()

# td_use(target room...): links rooms. With TD_ONLY a room may have been left out: its
# headers are still offered from its folder, so that what is there compiles.
function(td_use target)
	foreach(room IN LISTS ARGN)
		if(NOT room IN_LIST TD_ROOMS)
			message(FATAL_ERROR "${target}: there is no room ${room}")
		endif()
		if(TARGET td_${room})
			target_link_libraries(${target} PRIVATE td_${room})
		elseif(TD_ONLY)
			td_offer(${room} "")
		else()
			message(FATAL_ERROR "${target} wants room ${room}, which has no CMakeLists.txt")
		endif()
		target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/rooms/${room})
	endforeach()
endfunction()

# td_offer(room headers): (re)makes the folder that other rooms see.
function(td_offer room headers)
	set(dir ${CMAKE_BINARY_DIR}/rooms/${room})
	file(REMOVE_RECURSE ${dir})
	if(NOT headers)
		file(MAKE_DIRECTORY ${dir})
		file(CREATE_LINK ${TD_DIR_${room}} ${dir}/${room} SYMBOLIC)
		return()
	endif()
	file(MAKE_DIRECTORY ${dir}/${room})
	foreach(header IN LISTS headers)
		if(NOT EXISTS ${TD_DIR_${room}}/${header})
			message(FATAL_ERROR "room ${room}: no header ${header}")
		endif()
		file(CREATE_LINK ${TD_DIR_${room}}/${header} ${dir}/${room}/${header} SYMBOLIC)
	endforeach()
endfunction()

function(td_room room)
	cmake_parse_arguments(R "" "" "SOURCES;PUBLIC_HEADERS;DEPENDS;PRIVATE_LIBS" ${ARGN})
	if(R_UNPARSED_ARGUMENTS)
		message(FATAL_ERROR "td_room(${room}): unknown words: ${R_UNPARSED_ARGUMENTS}")
	endif()
	foreach(below IN LISTS R_DEPENDS)
		if(NOT below IN_LIST TD_ARROWS_${room})
			message(FATAL_ERROR "room ${room} may not use ${below} (cmake/arrows.txt)")
		endif()
	endforeach()
	add_library(td_${room} STATIC ${R_SOURCES})
	td_offer(${room} "${R_PUBLIC_HEADERS}")
	set(own ${CMAKE_BINARY_DIR}/own/${room})
	if(NOT EXISTS ${own}/${room})
		file(MAKE_DIRECTORY ${own})
		file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${own}/${room} SYMBOLIC)
	endif()
	target_include_directories(td_${room} PRIVATE ${own})
	td_use(td_${room} ${R_DEPENDS})
	td_link(td_${room} Threads::Threads ${R_PRIVATE_LIBS})
endfunction()

# td_program(name SOURCES ... DEPENDS rooms... PRIVATE_LIBS ...)
function(td_program name)
	cmake_parse_arguments(P "" "" "SOURCES;DEPENDS;PRIVATE_LIBS" ${ARGN})
	add_executable(${name} ${P_SOURCES})
	td_use(${name} ${P_DEPENDS})
	td_link(${name} Threads::Threads ${P_PRIVATE_LIBS})
endfunction()

# Common to everything in tests/.
function(td_test_program name)
	cmake_parse_arguments(T "" "" "SOURCES;DEPENDS;PRIVATE_LIBS;WRAP" ${ARGN})
	if(T_UNPARSED_ARGUMENTS)
		message(FATAL_ERROR "${name}: unknown words: ${T_UNPARSED_ARGUMENTS}")
	endif()
	add_executable(${name} ${T_SOURCES})
	# Tests look inside rooms: the real folders instead of the links.
	target_include_directories(${name} PRIVATE
		${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tenantd ${CMAKE_SOURCE_DIR})
	target_compile_definitions(${name} PRIVATE
		TD_SOURCE_DIR="${CMAKE_SOURCE_DIR}" TD_BUILD_DIR="${CMAKE_BINARY_DIR}")
	foreach(room IN LISTS T_DEPENDS)
		if(TARGET td_${room})
			target_link_libraries(${name} PRIVATE td_${room})
		elseif(TD_ONLY)
			set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
		else()
			message(FATAL_ERROR "${name} wants room ${room}, which has no CMakeLists.txt")
		endif()
	endforeach()
	td_link(${name} Threads::Threads ${T_PRIVATE_LIBS})
	foreach(symbol IN LISTS T_WRAP)
		target_link_options(${name} PRIVATE "-Wl,--wrap=${symbol}")
	endforeach()
endfunction()

set(TD_TEST_ENVIRONMENT
	"ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
	"UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
	"TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

function(td_add_test name label timeout)
	add_test(NAME ${name} COMMAND ${name} ${ARGN} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
	set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT ${timeout}
		ENVIRONMENT "${TD_TEST_ENVIRONMENT}")
endfunction()

function(td_unit_test name)
	if(TD_FUZZ)
		return()
	endif()
	td_test_program(test_${name} ${ARGN})
	td_link(test_${name} cmocka)
	td_add_test(test_${name} unit 300)
endfunction()

function(td_model_test name)
	if(TD_FUZZ)
		return()
	endif()
	td_test_program(model_${name} ${ARGN})
	td_link(model_${name} cmocka)
	td_add_test(model_${name} model 900)
endfunction()

function(td_bench name)
	if(TD_FUZZ)
		return()
	endif()
	td_test_program(bench_${name} ${ARGN})
endfunction()

# Under the preset `fuzz` libFuzzer drives the target; everywhere else a plain main runs
# the corpus through it as a unit test.
function(td_fuzz name)
	td_test_program(fuzz_${name} ${ARGN})
	set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
	if(TD_FUZZ)
		target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
		set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
			${CMAKE_BINARY_DIR})
		td_add_test(fuzz_${name} fuzz 300 -runs=0 ${corpus})
	else()
		target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus_main.c)
		td_add_test(fuzz_${name} "unit;fuzz" 300 ${corpus})
	endif()
endfunction()
