# Compiler and linker flags, the same for every target. What a preset changes: TD_SANITIZE,
# TD_COVERAGE, TD_FUZZ, TD_HARDEN and the build type.

include_guard()
include(CheckCCompilerFlag)
include(CheckPIESupported)

option(TD_WERROR "Warnings are errors" ON)
option(TD_HARDEN "Hardened release build" OFF)
option(TD_COVERAGE "Count lines with gcov" OFF)
option(TD_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)
set(TD_SANITIZE "" CACHE STRING "Value of -fsanitize=, or empty")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)

# assert() states what only a programming error can break: it stays on in a release.
set(CMAKE_C_FLAGS_DEBUG "-Og -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")

add_compile_definitions(_GNU_SOURCE TD_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wvla
	-Wcast-qual -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum
	-Wwrite-strings -fno-strict-aliasing -fno-common)
if(TD_WERROR)
	add_compile_options(-Werror)
endif()

if(TD_SANITIZE)
	add_compile_options(-fsanitize=${TD_SANITIZE} -fno-sanitize-recover=all
		-fno-omit-frame-pointer)
	add_link_options(-fsanitize=${TD_SANITIZE})
endif()
if(TD_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
		message(FATAL_ERROR "the preset fuzz needs clang")
	endif()
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(TD_COVERAGE)
	add_compile_options(--coverage -fprofile-update=atomic)
	add_link_options(--coverage)
endif()

if(TD_HARDEN)
	# At -O2 gcc finds more places where a message may be cut, most of them on purpose: a
	# release must not fail on what debug, asan and tsan have accepted.
	add_compile_options(-Wno-format-truncation)
	add_compile_definitions(_FORTIFY_SOURCE=3)
	add_compile_options(-fstack-protector-strong -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
	foreach(flag -fstack-clash-protection -fcf-protection)
		string(MAKE_C_IDENTIFIER "TD_HAVE${flag}" have)
		check_c_compiler_flag(${flag} ${have})
		if(${have})
			add_compile_options(${flag})
		endif()
	endforeach()
	add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()
