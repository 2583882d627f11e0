# shellcheck shell=bash
# LibTorch: the C++ part of the Python wheel, whose CPU library needs the CUDA runtime's libraries even without a GPU.

# fetch_wheels FOLDER REQUIREMENT...: the wheels for Python 3.11 and glibc up to 2.28, whatever Python runs pip here.
fetch_wheels() {
  local folder=$1 platforms=() minor quiet=(--quiet)
  shift
  for minor in {17..28}; do
    platforms+=(--platform "manylinux_2_${minor}_x86_64")
  done
  [[ ! -t 1 ]] || quiet=()
  python3 -m pip "${quiet[@]}" download --no-cache-dir --disable-pip-version-check --only-binary=:all: \
    --implementation cp --python-version 3.11 --abi cp311 "${platforms[@]}" --platform manylinux2014_x86_64 \
    --dest "$folder" "$@" ||
    fail "downloading $* failed; check that 'python3 -m pip download' reaches a package index, then run this again"
}

# unpack_wheels SCRATCH: from SCRATCH/wheels into SCRATCH/tree what a C++ program needs of them.
unpack_wheels() {
  say "unpacking"
  python3 - "$1/wheels" "$1/tree" <<'PYTHON'
import pathlib
import re
import sys
import zipfile

wanted = re.compile(r"torch/include/.*|torch/lib/lib(?!torch_python|shm)[^/]*\.so[.0-9]*|nvidia/.*\.so[.0-9]*|"
                    r"[^/]*\.dist-info/(licenses/)?[^/]*(LICEN|NOTICE)[^/]*")
for wheel in pathlib.Path(sys.argv[1]).glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(sys.argv[2], [name for name in archive.namelist() if wanted.fullmatch(name)])
    wheel.unlink()
PYTHON
}

unpack_torch() {
  local scratch=$1
  fetch_wheels "$scratch/wheels" --no-deps torch==2.11.0 "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-cupti==13.0.*"
  unpack_wheels "$scratch"
  local library
  for library in torch/lib/libtorch_cpu.so torch/lib/libc10.so nvidia/cu13/lib/libcudart.so.13 \
    nvidia/cu13/lib/libcupti.so.13; do
    [[ -e $scratch/tree/$library ]] || fail "unpacking LibTorch: the wheels hold no $library"
  done
}

# The CUDA libraries that libtorch_cuda.so of 2.11.0 asks for.
unpack_cuda() {
  local scratch=$1
  fetch_wheels "$scratch/wheels" nvidia-cudnn-cu13==9.19.0.56 nvidia-cusparselt-cu13==0.8.0 \
    nvidia-nccl-cu13==2.28.9 nvidia-nvshmem-cu13==3.4.5 \
    "cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.0.2"
  unpack_wheels "$scratch"
}

# LibTorch looks for them in its own tree.
link_cuda() {
  cp --recursive --symbolic-link --no-clobber "$DEXTER_CACHE/cuda-13.0/nvidia" "$DEXTER_CACHE/torch-2.11.0/"
}
