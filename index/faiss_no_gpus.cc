// In the place of faiss_gpus.cc, where FAISS was built without GPU support.
#include "index/faiss_devices.h"
#include "index/faiss_search.h"

namespace dexter {

std::string faiss_without_gpu() {
  return "this build's FAISS has no GPU support; run `tools/setup --cuda` where nvcc is, and build "
         "with the CMake preset cuda";
}

std::unique_ptr<const FaissDevices> gpu_devices(int) {
  throw Error(ErrorKind::kInvalidInput,
              "searching on a GPU through FAISS: " + faiss_without_gpu() + ", or choose cpu");
}

}  // namespace dexter
