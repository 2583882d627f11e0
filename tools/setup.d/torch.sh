# shellcheck shell=bash
# LibTorch: the C++ part of the Python wheel, whose CPU library needs the CUDA runtime's libraries even without a GPU.

unpack_torch() {
  local scratch=$1
  local download=(python3 -m pip --quiet download --no-deps --no-cache-dir --only-binary=:all:
    --disable-pip-version-check --implementation cp --python-version 3.11 --abi cp311
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --dest "$scratch/wheels")
  [[ ! -t 1 ]] || download=("${download[@]/--quiet/--progress-bar=on}")
  "${download[@]}" torch==2.11.0 "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-cupti==13.0.*" ||
    fail "downloading LibTorch failed; check that 'python3 -m pip download torch==2.11.0' can reach a package index"
  say "LibTorch: unpacking"
  python3 - "$scratch/wheels" "$scratch/tree" <<'PYTHON'
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
  local library
  for library in torch/lib/libtorch_cpu.so torch/lib/libc10.so nvidia/cu13/lib/libcudart.so.13 \
    nvidia/cu13/lib/libcupti.so.13; do
    [[ -e $scratch/tree/$library ]] || fail "unpacking LibTorch: the wheels hold no $library"
  done
}
