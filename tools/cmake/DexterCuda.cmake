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
