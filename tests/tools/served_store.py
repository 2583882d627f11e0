"""A small store and a server of it, for tests in Python."""
import contextlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "python"))

LABELS = {"animals": "cats, dogs, horses and birds", "weather": "rain, snow, wind and storms",
          "music": "songs, piano, violin and concerts", "cooking": "recipes, bread and soup"}
SETTINGS = ["encoder.dim=32", "encoder.hidden=32", "encoder.min_count=1", "train.batch=8", "train.negatives=0",
            "train.validation_fraction=0.1", "train.patience=0", "train.epochs=30", "train.learning_rate=0.02",
            "runtime.threads=1"]


def dexter(binary, *arguments):
    subprocess.run([binary, *map(str, arguments)], check=True, capture_output=True)


def make_store(binary, folder):
    documents = [{"id": f"{key}-{word}", "text": f"something about {word}", "labels": [key]}
                 for key, text in LABELS.items() for word in re.findall(r"\w{4,}", text)]
    rows = [{"id": key, "name": key.title(), "text": text} for key, text in LABELS.items()]
    for name, lines in (("train", documents), ("labels", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    store = folder / "store"
    dexter(binary, "import", "--store", store, "--train", folder / "train.jsonl", "--labels", folder / "labels.jsonl")
    dexter(binary, "train", "--store", store, *(part for setting in SETTINGS for part in ("--set", setting)))
    dexter(binary, "index", "--store", store)
    return store


def start(binary, store, *arguments, port=0):
    """A server on a port, by default a free one, once it is ready, and its address."""
    server = subprocess.Popen([binary, "serve", "--store", store, "--port", str(port), "--threads", "1", *arguments],
                              stderr=subprocess.PIPE, text=True)
    seen = ""
    for line in server.stderr:
        if match := re.search(r"ready on (https?://\S+)", line):
            return server, match[1]
        seen += line
    raise RuntimeError(f"the server did not start: {seen}")


def stop(server):
    server.send_signal(signal.SIGTERM)
    server.communicate()


@contextlib.contextmanager
def running(binary, store, *arguments):
    """As `start`; the server ends with the block."""
    server, url = start(binary, store, *arguments)
    try:
        yield server, url
    finally:
        stop(server)
