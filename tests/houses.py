"""A table of houses, for tests of the command."""

import csv
import gzip

import numpy as np

from fastridge.cli import main

RNG = np.random.default_rng(5)
N = 240
SIZE = RNG.standard_normal(N) * 3.0 + 10.0
COLOUR = RNG.choice(["red", "green", "blue, dark"], N)
AGE = RNG.integers(0, 90, N)
PRICE = 2.0 * SIZE + np.where(COLOUR == "red", 3.0, 0.0) + RNG.standard_normal(N)
HEADER = ["size", "colour", "age", "price"]


def rows_of(**changes):
    columns = {"size": SIZE, "colour": COLOUR, "age": AGE, "price": PRICE} | changes
    columns = {name: values for name, values in columns.items() if values is not None}
    values = (np.asarray(v).tolist() for v in columns.values())
    return list(columns), list(zip(*values, strict=True))


def write(path, header, rows):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if ".tsv" in path.suffixes else ",")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def design():
    """The columns as the command encodes them, by hand."""
    levels = ["blue, dark", "green", "red"]
    return np.column_stack([SIZE, *((level == COLOUR) * 1.0 for level in levels), AGE])


def run(*argv):
    return main([str(value) for value in argv])
