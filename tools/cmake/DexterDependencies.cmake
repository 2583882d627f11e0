# Third-party libraries as imported targets. Read by our own build and, installed, by the package config of dexter.
# tools/setup puts LibTorch and FAISS into the cache folder.
if(DEFINED ENV{DEXTER_CACHE})
  set(dexter_default_cache $ENV{DEXTER_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(dexter_default_cache $ENV{XDG_CACHE_HOME}/dexter)
else()
  set(dexter_default_cache $ENV{HOME}/.cache/dexter)
endif()
set(DEXTER_CACHE ${dexter_default_cache} CACHE PATH "Where tools/setup keeps LibTorch and FAISS")

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(ZLIB REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)
foreach(package IN ITEMS RocksDB spdlog)
  find_package(${package} CONFIG QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${package} was not found; tools/setup installs its Debian package")
  endif()
endforeach()
find_package(Boost 1.81 REQUIRED)

# dexter_find(VARIABLE WHAT find_path|find_library ARGUMENTS...): a file that tools/setup brings, or a clear end.
macro(dexter_find variable what command)
  cmake_language(CALL ${command} ${variable} ${ARGN})
  if(NOT ${variable})
    message(FATAL_ERROR "${what} was not found (cache folder: ${DEXTER_CACHE}).\n"
      "Run tools/setup, or set ${variable} to where it is.")
  endif()
endmacro()

dexter_find(DEXTER_UTF8PROC "utf8proc" find_library NAMES utf8proc)
dexter_find(DEXTER_STEMMER "Snowball's libstemmer" find_library NAMES stemmer)
dexter_find(DEXTER_PROMETHEUS "prometheus-cpp" find_library NAMES prometheus-cpp-core)

# LibTorch: the CPU library of the Python wheel. It needs the CUDA runtime's libraries even on the CPU.
set(dexter_torch_tree ${DEXTER_CACHE}/torch-2.11.0)
dexter_find(DEXTER_TORCH_INCLUDE "LibTorch 2.11's headers" find_path
  NAMES torch/csrc/api/include/torch/torch.h HINTS ${dexter_torch_tree}/torch/include)
dexter_find(DEXTER_TORCH_CPU "LibTorch 2.11's libtorch_cpu.so" find_library
  NAMES torch_cpu HINTS ${dexter_torch_tree}/torch/lib)
dexter_find(DEXTER_C10 "LibTorch 2.11's libc10.so" find_library
  NAMES c10 HINTS ${dexter_torch_tree}/torch/lib)
get_filename_component(dexter_torch_lib ${DEXTER_TORCH_CPU} DIRECTORY)

add_library(dexter_torch INTERFACE IMPORTED GLOBAL)
target_include_directories(dexter_torch INTERFACE
  ${DEXTER_TORCH_INCLUDE} ${DEXTER_TORCH_INCLUDE}/torch/csrc/api/include)
target_compile_definitions(dexter_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(dexter_torch INTERFACE ${DEXTER_TORCH_CPU} ${DEXTER_C10})
# Named among the options, LibTorch comes before every other library: its matrix products (MKL's) must be the ones
# that FAISS and LibTorch itself find, not those of the system's reference BLAS behind FAISS.
target_link_options(dexter_torch INTERFACE
  LINKER:--push-state,--no-as-needed ${DEXTER_TORCH_CPU} LINKER:--pop-state LINKER:--allow-shlib-undefined
  LINKER:-rpath,${dexter_torch_lib} LINKER:-rpath,${dexter_torch_tree}/nvidia/cu13/lib)

# One OpenMP runtime in the process: the wheel carries its own libgomp, and FAISS and our loops use that one.
find_file(DEXTER_GOMP libgomp.so.1 HINTS ${dexter_torch_lib} NO_DEFAULT_PATH)
add_library(dexter_openmp INTERFACE IMPORTED GLOBAL)
if(DEXTER_GOMP)
  target_compile_options(dexter_openmp INTERFACE ${OpenMP_CXX_FLAGS})
  target_link_libraries(dexter_openmp INTERFACE ${DEXTER_GOMP})
else()
  target_link_libraries(dexter_openmp INTERFACE OpenMP::OpenMP_CXX)
endif()

set(DEXTER_FAISS_GPU OFF)
if(DEXTER_CUDA)
  include(${CMAKE_CURRENT_LIST_DIR}/DexterCuda.cmake)
endif()

# FAISS: static, AVX2, built by tools/setup; its matrix product is the one LibTorch exports, which stands before
# the system's BLAS. LAPACK is only named by transforms that dexter never runs, but the linker wants it.
add_library(dexter_faiss INTERFACE IMPORTED GLOBAL)
if(DEXTER_FAISS_GPU)
  target_include_directories(dexter_faiss INTERFACE ${DEXTER_FAISS_GPU_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(dexter_faiss INTERFACE ${DEXTER_FAISS_GPU_LIBRARY} ${DEXTER_CUBLAS} ${DEXTER_CUDART})
else()
  dexter_find(DEXTER_FAISS_INCLUDE "FAISS 1.7.3's headers" find_path
    NAMES faiss/IndexFlat.h HINTS ${DEXTER_CACHE}/faiss-1.7.3/include)
  dexter_find(DEXTER_FAISS "FAISS 1.7.3's libfaiss_avx2.a" find_library
    NAMES faiss_avx2 HINTS ${DEXTER_CACHE}/faiss-1.7.3/lib)
  target_include_directories(dexter_faiss INTERFACE ${DEXTER_FAISS_INCLUDE})
  target_link_libraries(dexter_faiss INTERFACE ${DEXTER_FAISS})
endif()
dexter_find(DEXTER_LAPACK "LAPACK" find_library NAMES lapack)
dexter_find(DEXTER_BLAS "BLAS" find_library NAMES blas)
# LibTorch's folder of headers holds others (fmt), which must not come before the system's here.
target_link_libraries(dexter_faiss INTERFACE $<LINK_ONLY:dexter_torch> ${DEXTER_LAPACK} ${DEXTER_BLAS} dexter_openmp)
