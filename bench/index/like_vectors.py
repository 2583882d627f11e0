#!/usr/bin/env python3
"""Makes any number of unit vectors with the mean and the covariance of real ones.

usage: like_vectors.py LIKE.npy ROWS BASE.npy [QUERIES QUERIES.npy] [--dim N] [--seed S]

LIKE.npy is what `dexter export` writes. Vectors are drawn from the normal distribution of its rows, of the N directions
in which they vary most where --dim says so, and scaled to length 1. Needs NumPy.
"""
import argparse

import numpy

CHUNK = 1 << 16


def distribution(path, dim):
    """Mean [dim] and a matrix [dim, dim] that turns standard normal rows into ones of the covariance."""
    rows = numpy.load(path, mmap_mode="r")[:200_000].astype(numpy.float64)
    mean = rows.mean(0)
    values, directions = numpy.linalg.eigh(numpy.cov(rows, rowvar=False))
    if dim and dim > len(values):
        raise SystemExit(f"like_vectors.py: {path} has {len(values)} dimensions, fewer than --dim {dim}")
    if dim and dim < len(values):  # in the basis of the directions, without the least
        directions, values = directions[:, -dim:], values[-dim:]
        return (mean @ directions).astype(numpy.float32), numpy.diag(values.clip(0) ** 0.5).astype(numpy.float32)
    return mean.astype(numpy.float32), (directions * values.clip(0) ** 0.5 @ directions.T).astype(numpy.float32)


def write(path, count, mean, mix, random):
    matrix = numpy.lib.format.open_memmap(path, "w+", numpy.float32, (count, len(mean)))
    for first in range(0, count, CHUNK):
        part = random.standard_normal((min(CHUNK, count - first), len(mean)), numpy.float32) @ mix + mean
        matrix[first:first + len(part)] = part / numpy.linalg.norm(part, axis=1, keepdims=True)
    matrix.flush()


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS,
                                     description=__doc__)
    for name, kind in (("like", str), ("rows", int), ("base", str)):
        parser.add_argument(name, type=kind)
    parser.add_argument("query_rows", type=int, nargs="?")
    parser.add_argument("queries", nargs="?")
    parser.add_argument("--dim", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    mean, mix = distribution(options.like, options.dim)
    random = numpy.random.default_rng(options.seed)
    write(options.base, options.rows, mean, mix, random)
    if options.query_rows:
        if not options.queries:
            parser.error("name a file for the queries")
        write(options.queries, options.query_rows, mean, mix, random)


if __name__ == "__main__":
    main()
