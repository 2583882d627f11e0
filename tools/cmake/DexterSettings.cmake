# Language, warnings and sanitizers of our own targets, gathered in the interface target dexter_settings.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(DEXTER_CCACHE ccache)
if(DEXTER_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DEXTER_CCACHE})
endif()

add_library(dexter_settings INTERFACE)
target_include_directories(dexter_settings INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
target_compile_options(dexter_settings INTERFACE
  -march=x86-64-v3 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
if(DEXTER_SANITIZE)
  target_compile_options(dexter_settings INTERFACE -fsanitize=${DEXTER_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(dexter_settings INTERFACE -fsanitize=${DEXTER_SANITIZE})
endif()

# dexter_library(NAME SOURCES...): a static library of ours.
function(dexter_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC $<BUILD_INTERFACE:dexter_settings>)
endfunction()
