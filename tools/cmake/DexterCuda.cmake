# LibTorch's CUDA library, which registers itself when it is loaded: nothing of ours names a symbol of it, so the
# linker must be told to keep it. It is linked only where every library that it needs is found, because a program
# that is linked to it does not start otherwise.
find_library(DEXTER_TORCH_CUDA NAMES torch_cuda HINTS ${dexter_torch_lib})
if(NOT DEXTER_TORCH_CUDA)
  message(FATAL_ERROR "libtorch_cuda.so was not found beside ${DEXTER_TORCH_CPU}. Run tools/setup.")
endif()
execute_process(COMMAND ldd ${DEXTER_TORCH_CUDA} OUTPUT_VARIABLE dexter_cuda_needs COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^ \t\n]+ => not found" dexter_cuda_missing "${dexter_cuda_needs}")
if(dexter_cuda_missing)
  list(TRANSFORM dexter_cuda_missing REPLACE " => not found" "")
  list(JOIN dexter_cuda_missing ", " dexter_cuda_missing)
  message(WARNING "DEXTER_CUDA: libtorch_cuda.so needs libraries that are not here: ${dexter_cuda_missing}.\n"
    "This build runs on the CPU alone. `tools/setup --cuda` brings them; then configure again.")
else()
  target_link_libraries(dexter_torch INTERFACE
    -Wl,--push-state,--no-as-needed ${DEXTER_TORCH_CUDA} ${dexter_torch_lib}/libc10_cuda.so -Wl,--pop-state)
  message(STATUS "DEXTER_CUDA: linking ${DEXTER_TORCH_CUDA}")
endif()

# FAISS with its GPU indexes, where tools/setup built it. Its objects take the CUDA runtime that LibTorch loads, so
# that both see one: the shared library of the same version.
find_library(DEXTER_FAISS_GPU_LIBRARY NAMES faiss_avx2 HINTS ${DEXTER_CACHE}/faiss-gpu-1.7.3/lib NO_DEFAULT_PATH)
find_path(DEXTER_FAISS_GPU_INCLUDE NAMES faiss/gpu/StandardGpuResources.h
  HINTS ${DEXTER_CACHE}/faiss-gpu-1.7.3/include NO_DEFAULT_PATH)
# The toolkit that compiled it, where none is asked for.
cmake_path(GET DEXTER_FAISS_GPU_INCLUDE PARENT_PATH dexter_faiss_tree)
if(NOT CUDAToolkit_ROOT AND NOT DEFINED ENV{CUDAToolkit_ROOT} AND EXISTS ${dexter_faiss_tree}/compiler)
  file(STRINGS ${dexter_faiss_tree}/compiler dexter_cuda_compiler LIMIT_COUNT 1)
  if(EXISTS "${dexter_cuda_compiler}")
    file(REAL_PATH "${dexter_cuda_compiler}" dexter_cuda_compiler)
    cmake_path(GET dexter_cuda_compiler PARENT_PATH CUDAToolkit_ROOT)
    cmake_path(GET CUDAToolkit_ROOT PARENT_PATH CUDAToolkit_ROOT)
  endif()
endif()
find_package(CUDAToolkit 13 QUIET)
# The oldest architecture that it was compiled for: its kernels run on that and newer ones.
set(DEXTER_FAISS_GPU_ARCHITECTURE 0)
if(EXISTS ${dexter_faiss_tree}/architectures)
  file(READ ${dexter_faiss_tree}/architectures dexter_faiss_architectures)
  string(REGEX MATCHALL "[0-9]+" dexter_faiss_architectures "${dexter_faiss_architectures}")
  list(SORT dexter_faiss_architectures COMPARE NATURAL)
  list(GET dexter_faiss_architectures 0 DEXTER_FAISS_GPU_ARCHITECTURE)
endif()
set(dexter_cuda_lib ${dexter_torch_tree}/nvidia/cu13/lib)
find_file(DEXTER_CUDART libcudart.so.13 HINTS ${dexter_cuda_lib} NO_DEFAULT_PATH)
find_file(DEXTER_CUBLAS libcublas.so.13 HINTS ${dexter_cuda_lib} NO_DEFAULT_PATH)
foreach(part IN ITEMS DEXTER_FAISS_GPU_LIBRARY DEXTER_FAISS_GPU_INCLUDE CUDAToolkit_INCLUDE_DIRS DEXTER_CUDART DEXTER_CUBLAS)
  if(NOT ${part})
    list(APPEND dexter_faiss_missing ${part})
  endif()
endforeach()
if(dexter_faiss_missing)
  list(JOIN dexter_faiss_missing ", " dexter_faiss_missing)
  message(STATUS "DEXTER_CUDA: FAISS without its GPU indexes, for want of ${dexter_faiss_missing}; "
    "`tools/setup --cuda` brings them where nvcc is")
else()
  set(DEXTER_FAISS_GPU ON)
  message(STATUS "DEXTER_CUDA: linking ${DEXTER_FAISS_GPU_LIBRARY}, for sm_${DEXTER_FAISS_GPU_ARCHITECTURE} and newer, with "
    "the headers of ${CUDAToolkit_INCLUDE_DIRS}")
endif()
