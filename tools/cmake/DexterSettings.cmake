# Language, warnings and sanitizers of our own targets, gathered in the interface target dexter_settings.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_SKIP_RPATH ON)  # dexter_torch brings the only run path that is needed, built or installed
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or RelWithDebInfo" FORCE)
endif()

find_program(DEXTER_CCACHE ccache)
if(DEXTER_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DEXTER_CCACHE})
endif()

add_library(dexter_settings INTERFACE)
if(CMAKE_UNITY_BUILD)
  target_compile_options(dexter_settings INTERFACE -Wno-subobject-linkage)  # of what is in one file's anonymous namespace
endif()
target_include_directories(dexter_settings INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(dexter_settings INTERFACE
  -march=x86-64-v3 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
if(DEXTER_SANITIZE)
  target_compile_options(dexter_settings INTERFACE
    -fsanitize=${DEXTER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(dexter_settings INTERFACE -fsanitize=${DEXTER_SANITIZE})
  if(DEXTER_SANITIZE MATCHES fuzzer)
    # clang 14 cannot combine this check with coroutines.
    target_compile_options(dexter_settings INTERFACE -fno-sanitize=function)
  endif()
  if(DEXTER_SANITIZE MATCHES thread)
    # Asio fences that the sanitizer does not see stand beside atomics that it does.
    target_compile_options(dexter_settings INTERFACE -Wno-tsan)
  endif()
endif()

# dexter_library(dexter_NAME SOURCES...): a static library of ours, installed as dexter::NAME.
function(dexter_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC $<BUILD_INTERFACE:dexter_settings>)
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} INTERFACE $<INSTALL_INTERFACE:include/dexter>)
  string(REPLACE dexter_ "" exported ${name})
  set_target_properties(${name} PROPERTIES EXPORT_NAME ${exported})
  install(TARGETS ${name} EXPORT dexter ARCHIVE)
endfunction()
