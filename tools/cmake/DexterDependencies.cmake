# Third-party libraries as imported targets. tools/setup puts LibTorch and FAISS into the cache folder.
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
find_package(RocksDB REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_library(DEXTER_UTF8PROC utf8proc REQUIRED)

# LibTorch: the CPU library of the PyPI wheel. It needs the CUDA runtime's libraries even on the CPU.
set(dexter_torch ${DEXTER_CACHE}/torch-2.11.0)
find_path(DEXTER_TORCH_INCLUDE ATen/ATen.h HINTS ${dexter_torch}/torch/include REQUIRED)
find_library(DEXTER_TORCH_CPU torch_cpu HINTS ${dexter_torch}/torch/lib REQUIRED)
find_library(DEXTER_C10 c10 HINTS ${dexter_torch}/torch/lib REQUIRED)
find_library(DEXTER_TORCH_GOMP NAMES libgomp.so.1 HINTS ${dexter_torch}/torch/lib NO_DEFAULT_PATH)
add_library(dexter_torch INTERFACE)
target_include_directories(dexter_torch SYSTEM INTERFACE
  ${DEXTER_TORCH_INCLUDE} ${DEXTER_TORCH_INCLUDE}/torch/csrc/api/include)
target_compile_definitions(dexter_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
get_filename_component(dexter_torch_lib ${DEXTER_TORCH_CPU} DIRECTORY)
target_link_libraries(dexter_torch INTERFACE ${DEXTER_TORCH_CPU} ${DEXTER_C10})
target_link_options(dexter_torch INTERFACE -Wl,--allow-shlib-undefined
  -Wl,-rpath,${dexter_torch_lib} -Wl,-rpath,${dexter_torch}/nvidia/cu13/lib)

# FAISS: static, AVX2, built by tools/setup; its BLAS is the one LibTorch exports.
find_path(DEXTER_FAISS_INCLUDE faiss/IndexFlat.h HINTS ${DEXTER_CACHE}/faiss-1.7.3/include REQUIRED)
find_library(DEXTER_FAISS NAMES faiss_avx2 faiss HINTS ${DEXTER_CACHE}/faiss-1.7.3/lib REQUIRED)
add_library(dexter_faiss INTERFACE)
target_include_directories(dexter_faiss SYSTEM INTERFACE ${DEXTER_FAISS_INCLUDE})
target_link_libraries(dexter_faiss INTERFACE ${DEXTER_FAISS} dexter_torch OpenMP::OpenMP_CXX)
