#!/usr/bin/env python3
"""Compares the vectors of exported checkpoint folders with those of the Python ecosystem.

usage: export_compare.py --dexter BINARY --weights DIR

Needs the PyPI packages sentence-transformers and transformers in the Python that runs it. DIR is a checkpoint with a
tokenizer (tools/fetch-encoder brings one). It, and random BERT and DistilBERT models with its tokenizer, one for every
pooling and with a learnt projection, go into a store, out by `dexter export --what encoder`, and into SentenceTransformer; vectors of texts of all
kinds must agree within 1e-4, and transformers' own classes must find every weight in its place. Exit code 1 otherwise.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers
from sentence_transformers import SentenceTransformer

TEXTS = ["Rust in action", "Café déjà vu: l'été à Zürich", "中文标题 and English", "a title without end " * 120, "x",
         "naïve bayes -- a review!", "Σίσυφος", "[MASK] is a word here", "e\u0301 and \u00e9", "tabs\tand\u00a0spaces"]
TOLERANCE = 1e-4


def dexter(binary, verb, *arguments):
    subprocess.run([binary, verb, "-q", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def write_corpus(folder):
    documents = [{"id": str(i), "text": text, "labels": ["a"]} for i, text in enumerate(TEXTS)]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (folder / "labels.jsonl").write_text(json.dumps({"id": "a", "name": "a", "text": "programming languages"}))


def random_model(weights, folder, distil):
    """A checkpoint of transformers' own writing, with the tokenizer of `weights`."""
    torch.manual_seed(5)
    vocabulary = json.loads((weights / "config.json").read_text())["vocab_size"]
    if distil:
        config = transformers.DistilBertConfig(vocab_size=vocabulary, n_layers=2, dim=64, n_heads=4, hidden_dim=96,
                                               max_position_embeddings=64)
        model = transformers.DistilBertModel(config)
    else:
        config = transformers.BertConfig(vocab_size=vocabulary, num_hidden_layers=3, hidden_size=48,
                                         num_attention_heads=4, intermediate_size=80, max_position_embeddings=64,
                                         hidden_act="gelu_new", layer_norm_eps=1e-9)
        model = transformers.BertModel(config, add_pooling_layer=False)
    for parameter in model.parameters():  # initial biases and normalisations would hide a mistake
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    shutil.copy(weights / "tokenizer.json", folder)


def difference(binary, folder, weights, pooling, projection):
    """The largest difference of the vectors of dexter's own encoding and those of the exported folder."""
    store, out = folder / "store", folder / "out"
    write_corpus(folder)
    dexter(binary, "import", "--store", store, "--format", "jsonl", "--train", folder / "train.jsonl",
           "--labels", folder / "labels.jsonl")
    epochs = 1 if projection else 0  # learnt: else the projection would be the leading dimensions
    dexter(binary, "train", "--store", store, "--encoder", "transformer", "--weights", weights, "--epochs", epochs,
           "--set", f"transformer.pooling={pooling}", "--set", f"transformer.projection={projection}", "--set",
           "train.batch=4", "--set", "train.validation_fraction=0", "--set", "transformer.learning_rate=0.001")
    dexter(binary, "index", "--store", store)
    dexter(binary, "export", "--store", store, "--what", "documents", "--out", folder / "documents.npy")
    dexter(binary, "export", "--store", store, "--what", "encoder", "--out", out)
    _, found = transformers.AutoModel.from_pretrained(out, output_loading_info=True)
    unplaced = [name for name in found["unexpected_keys"] | found["missing_keys"] if not name.startswith("pooler.")]
    if unplaced:
        sys.exit(f"{out}: transformers misses or does not know {unplaced}")
    keys = (folder / "documents.ids.txt").read_text().split()
    expected = SentenceTransformer(str(out), device="cpu").encode([TEXTS[int(key)] for key in keys])
    return float(numpy.abs(expected - numpy.load(folder / "documents.npy")).max())


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--dexter", required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    worst = 0
    cases = [("weights", "auto", 0)] + [(kind, pooling, 0) for kind in ("bert", "distilbert")
                                        for pooling in ("mean", "cls", "max", "last")]
    cases += [("weights", "auto", 64), ("bert", "cls", 16), ("distilbert", "mean", 24)]
    for kind, pooling, projection in cases:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            weights = arguments.weights
            if kind != "weights":
                random_model(arguments.weights, folder / "random", kind == "distilbert")
                weights = folder / "random"
            found = difference(arguments.dexter, folder, weights, pooling, projection)
        print(f"{kind:<10} {pooling:<5} {projection or '':>3} {found:.2e}")
        worst = max(worst, found)
    return worst > TOLERANCE


if __name__ == "__main__":
    sys.exit(main())
