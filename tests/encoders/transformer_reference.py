#!/usr/bin/env python3
"""A BERT-family encoder in numpy, written from the papers: what tests/encoders/transformer_test.cc compares with.

usage: transformer_reference.py --weights DIR --text TEXT... [--pooling mean|cls|last|max] [--dexter BINARY]
       transformer_reference.py --tiny bert|distilbert [--pooling ...|layers|attention] [--projection N]

With --weights it prints the first values of each text's unit vector. With --dexter it also lets that program encode the
texts and prints the largest difference (exit code 1 above 1e-4). With --tiny it prints the numbers that the test
stores: those of a model of two layers whose weights are given by a formula. Needs numpy; --weights needs tokenizers.
"""
import argparse
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

TINY = {"bert": {"layers": 2, "hidden": 16, "heads": 4, "inner": 32, "vocabulary": 17, "positions": 12, "types": 2},
        "distilbert": {"layers": 2, "hidden": 16, "heads": 4, "inner": 32, "vocabulary": 17, "positions": 12, "types": 0}}
TINY_IDS = [[2, 5, 6, 7, 3], [2, 8, 3], [2, 15, 16, 16, 10, 9, 11, 3], [2, 12, 13, 3]]


def names_of(family, layer):
    if family == "bert":
        base = f"encoder.layer.{layer}."
        parts = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
                 "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]
    else:
        base = f"transformer.layer.{layer}."
        parts = ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm",
                 "ffn.lin1", "ffn.lin2", "output_layer_norm"]
    return [base + part for part in parts]


def tiny_weights(family, pooling, projection):
    """Value i of tensor t is 0.3 sin(1.7 t + 0.9 i + 0.1), and 1 more in the weights of normalisations; scores of
    layers are a hundredth of that."""
    s, tensors = TINY[family], {}

    def add(name, *shape):
        count = len(tensors)
        values = 0.3 * np.sin(1.7 * count + 0.9 * np.arange(math.prod(shape)) + 0.1)
        tensors[name] = values.reshape(shape) + (1 if "norm.weight" in name.lower() else 0)

    add("embeddings.word_embeddings.weight", s["vocabulary"], s["hidden"])
    add("embeddings.position_embeddings.weight", s["positions"], s["hidden"])
    if s["types"]:
        add("embeddings.token_type_embeddings.weight", s["types"], s["hidden"])
    add("embeddings.LayerNorm.weight", s["hidden"])
    add("embeddings.LayerNorm.bias", s["hidden"])
    for layer in range(s["layers"]):
        for part, name in enumerate(names_of(family, layer)):
            rows, columns = s["inner"] if part == 5 else s["hidden"], s["inner"] if part == 6 else s["hidden"]
            add(name + ".weight", *((rows,) if part in (4, 7) else (rows, columns)))
            add(name + ".bias", rows)
    if pooling == "layers":
        add("pooling.scores", s["layers"])
        tensors["pooling.scores"] /= 100
    if pooling == "attention":
        add("pooling.layers", s["layers"], s["hidden"])
        add("pooling.queries", 4, s["hidden"])
        add("pooling.output.weight", s["hidden"], 4 * s["hidden"])
        add("pooling.output.bias", s["hidden"])
    if projection:
        add("projection.weight", projection, s["hidden"])
        add("projection.bias", projection)
    return tensors


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def pool_layers(w, means, pooling):
    """Of the layers' mean states [layers x hidden]."""
    if pooling == "layers":
        return softmax(100 * w["pooling.scores"]) @ means
    values = means + w["pooling.layers"]
    found = softmax(w["pooling.queries"] @ values.T / math.sqrt(means.shape[1])) @ values
    return means[-1] + w["pooling.output.weight"] @ found.reshape(-1) + w["pooling.output.bias"]


def read_weights(path):
    with open(path, "rb") as file:
        table = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    tensors = {}
    for name, entry in table.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], dtype="<f4").astype(np.float64)
        tensors[name.removeprefix("bert.").removeprefix("distilbert.")] = values.reshape(entry["shape"])
    return tensors


def normalise(x, w, name):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * w[name + ".weight"] + w[name + ".bias"]


def vector(w, family, layers, heads, ids, pooling):
    def linear(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:len(ids)]
    if "embeddings.token_type_embeddings.weight" in w:
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = normalise(x, w, "embeddings.LayerNorm")
    width = x.shape[1] // heads
    means = []
    for layer in range(layers):
        query, key, value, output, norm, up, down, last = names_of(family, layer)
        q, k, v = (linear(x, name).reshape(-1, heads, width).swapaxes(0, 1) for name in (query, key, value))
        scores = q @ k.swapaxes(1, 2) / math.sqrt(width)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        x = normalise(x + linear((weights @ v).swapaxes(0, 1).reshape(x.shape), output), w, norm)
        inner = linear(x, up)
        inner = 0.5 * inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = normalise(x + linear(inner, down), w, last)
        means.append(x.mean(0))
    if pooling in ("layers", "attention"):
        pooled = pool_layers(w, np.array(means), pooling)
    else:
        pooled = {"mean": x.mean(0), "cls": x[0], "last": x[-1], "max": x.max(0)}[pooling]
    if "projection.weight" in w:
        pooled = linear(pooled, "projection")
    return pooled / np.linalg.norm(pooled)


def dexter_vectors(binary, weights, texts, pooling):
    with tempfile.TemporaryDirectory() as folder:
        corpus = os.path.join(folder, "train.jsonl")
        with open(corpus, "w", encoding="utf-8") as out:
            for i, text in enumerate(texts):
                out.write(json.dumps({"id": str(i), "text": text, "labels": ["a"]}) + "\n")
        store, matrix = os.path.join(folder, "store"), os.path.join(folder, "out.npy")
        for command in (["import", "--format", "jsonl", "--train", corpus],
                        ["train", "--encoder", "transformer", "--weights", weights, "--epochs", "0", "--set",
                         f"transformer.pooling={pooling}"],
                        ["index"], ["export", "--what", "documents", "--out", matrix]):
            subprocess.run([binary, command[0], "--store", store, *command[1:]], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        return np.load(matrix)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights")
    parser.add_argument("--text", nargs="*", default=[])
    parser.add_argument("--tiny", choices=sorted(TINY))
    parser.add_argument("--pooling", default="mean")
    parser.add_argument("--projection", type=int, default=0, help="with --tiny: dimensions of a map after pooling")
    parser.add_argument("--dexter")
    options = parser.parse_args()
    if options.tiny:
        shape, weights = TINY[options.tiny], tiny_weights(options.tiny, options.pooling, options.projection)
        for ids in TINY_IDS:
            found = vector(weights, options.tiny, shape["layers"], shape["heads"], ids, options.pooling)
            print(ids, ", ".join(f"{value:.6f}" for value in found[:4]))
        return 0
    from tokenizers import Tokenizer
    with open(os.path.join(options.weights, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    family = config["model_type"]
    layers, heads = (config["num_hidden_layers"], config["num_attention_heads"]) if family == "bert" else \
        (config["n_layers"], config["n_heads"])
    tokenizer = Tokenizer.from_file(os.path.join(options.weights, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    weights = read_weights(os.path.join(options.weights, "model.safetensors"))
    expected = np.array([vector(weights, family, layers, heads, tokenizer.encode(text).ids, options.pooling)
                         for text in options.text])
    for text, row in zip(options.text, expected):
        print(ascii(text[:60]), ", ".join(f"{value:.6f}" for value in row[:6]))
    if not options.dexter:
        return 0
    difference = np.abs(dexter_vectors(options.dexter, options.weights, options.text, options.pooling) - expected).max()
    print(f"largest difference: {difference:.2e}")
    return 0 if difference < 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
