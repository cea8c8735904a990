"""Damaged and hostile model files, from a seed; run as a script for many of them.

``python tests/model_mutations.py --count 100000 --seed 1`` loads that many, uses every model
that loads, and prints the counts and each mutation whose load or use raised another error.
"""

import argparse
import ast
import collections
import copy
import functools
import gc
import io
import json
import struct
import time
import warnings
import zipfile
import zlib

import model_catalogue
import numpy as np
from model_files import HEADER, saved

import fastridge
from fastridge.io import ModelFileError

PARTS = 16


@functools.cache
def source(name):
    """The header and the members of the file of a model of the catalogue, and its bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = saved(model_catalogue.MODELS[name]())
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {each: file.read(each) for each in file.namelist()}
    return json.loads(members.pop(HEADER)), members, data


@functools.cache
def header_text(name):
    return json.dumps(source(name)[0])


def pack(header, members):
    """An archive with valid checksums of members that may have the same name."""
    out, directory = bytearray(), bytearray()
    for name, data in [(HEADER, header), *members]:
        text = name.encode("utf-8", "surrogatepass")
        common = struct.pack(
            "<HHHHHIIIHH", 20, 0x800, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(text), 0
        )
        directory += b"PK\x01\x02\x14\x00" + common + struct.pack("<HHHII", 0, 0, 0, 0, len(out))
        directory += text
        out += b"PK\x03\x04" + common + text + data
    n = 1 + len(members)
    end = struct.pack("<HHHHIIH", 0, 0, n, n, len(directory), len(out), 0)
    return bytes(out + directory + b"PK\x05\x06" + end)


NUMBERS = [0, 1, -1, 2, 3, 7, 10**18, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.5, 1e308]
NUMBERS += [5e-324, {"float": "nan"}, {"float": "inf"}, {"float": "-inf"}, True, False]
TEXTS = ["", "x", "coef_", "Ridge", "l2", "squared", "poisson", "float32", "\ud800", "a" * 300]
VALUES = [None, *NUMBERS, *TEXTS, {"list": []}, {"tuple": []}, {"dict": []}, [], {}, {"list": [1]}]
VALUES += [
    {"objects": [[], [None]]},
    {"objects": [[2], ["a", 1]]},
    {"objects": [[0], []]},
    {"scalar": ["<f8", "000000000000f87f"]},
    {"scalar": ["<i8", "ffffffffffffffff"]},
    {"scalar": ["|b1", "01"]},
    {"scalar": ["<U1", "61000000"]},
    {"loss": ["poisson", {}]},
    {"loss": ["multinomial", {}]},
    {"model": ["Ridge", {}, {}]},
    {"slice": [0, None, None]},
    {"range": [0, 10**18, 1]},
    {"type": "float"},
    {"dtype": "<f8"},
    {"array": "new"},
    {"sparse": ["csr_array", [1, 1], [{"array": "new"}, {"array": "new"}, {"array": "new"}]]},
]
TYPES = ["<f8", "<f4", ">f8", "<f2", "<f16", "<i8", "<i4", "|i1", "<u8", "|b1", "<c16", "<U1"]
TYPES += ["<U3", "|S2", "|S0", "<U0", "|O", "|V8", "<M8[D]", "<m8[s]", "i4,i4"]
SPECIALS = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e308, -1e308, 5e-324, 1e18, 2.0**63]


def nodes(tree):
    """Every (container, key) of a tree of JSON."""
    found, left = [], [tree] if isinstance(tree, (dict, list)) else []
    while left:
        container = left.pop()
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(pairs):
            found.append((container, key))
            if isinstance(value, (dict, list)):
                left.append(value)
    return found


def mutate_tree(rng, header, members):
    """Change one place or more of the header."""
    for _ in range(1 + rng.integers(3)):
        places = nodes(header.get("model")) if rng.random() < 0.97 else nodes(header)
        if not places:
            return
        container, key = places[rng.integers(len(places))]
        how = rng.integers(8)
        if how == 0:
            del container[key]
        elif how == 1:
            other, place = places[rng.integers(len(places))]
            container[key] = copy.deepcopy(other[place])
        elif how == 2 and isinstance(container, dict):
            value = container.pop(key)
            names = [k for _, k in places if isinstance(k, str)] + TEXTS
            container[names[rng.integers(len(names))]] = value
        elif how == 3 and isinstance(container[key], list):
            items = container[key]
            items.append(copy.deepcopy(items[-1] if items else None))
        elif how == 4:
            container[key] = {["list", "tuple", "objects"][rng.integers(3)]: [container[key]]}
        elif how == 5 and type(container[key]) in (int, float):
            container[key] = copy.copy(NUMBERS[rng.integers(len(NUMBERS))])
        else:
            container[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])


def array_of(data):
    return np.load(io.BytesIO(data), allow_pickle=False)


def bytes_of(array, order="C"):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array, order=order), version=(1, 0))
    return file.getvalue()


def mutate_array(rng, header, members):
    """Change the values, shape or type of one array, or its declaration."""
    if not members:
        return
    name = list(members)[rng.integers(len(members))]
    array = array_of(members[name])
    how = rng.integers(9)
    if how == 0 and array.dtype.kind in "fiu" and array.size:
        array = array.copy()
        with np.errstate(all="ignore"):
            array.flat[rng.integers(array.size)] = np.float64(
                SPECIALS[rng.integers(len(SPECIALS))]
            ).astype(array.dtype)
    elif how == 1:
        with np.errstate(all="ignore"):
            kind = [np.float64, np.float32, ">f8", np.int64, np.int32, bool, np.uint8, np.complex64]
            array = np.zeros(array.shape).astype(kind[rng.integers(len(kind))])
    elif how == 2:
        array = np.zeros(tuple(rng.integers(0, 5, rng.integers(0, 4))), dtype=array.dtype)
    elif how == 3:
        array = array.ravel()[: rng.integers(array.size + 1)]
    elif how == 4:
        array = np.concatenate([np.atleast_1d(array)] * 2)
    elif how == 5:
        array = np.asarray(array)[None]
    elif how == 6:
        other = list(members)[rng.integers(len(members))]
        array = array_of(members[other])
    elif how == 7:
        head = f"{{'descr': '{TYPES[rng.integers(len(TYPES))]}', 'fortran_order': False, 'shape':"
        shape = [(), (1,), (10**18,), (2**62, 2**62), (0, 10**18), (-1,), array.shape]
        text = f"{head} {shape[rng.integers(len(shape))]}, }}".encode().ljust(117) + b"\n"
        members[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
        members[name] += bytes(int(rng.choice([0, 8, array.nbytes])))
        return
    else:
        data = bytearray(members[name])
        data[rng.integers(len(data))] = rng.integers(256)
        members[name] = bytes(data)
        return
    members[name] = bytes_of(array, "F" if rng.random() < 0.2 else "C")


def mutate_bytes(rng, data):
    """Change, insert, remove or repeat bytes without mending any checksum."""
    data = bytearray(data)
    for _ in range(1 + rng.integers(3)):
        i = int(rng.integers(len(data)))
        n = int(rng.integers(1, 17))
        how = rng.integers(5)
        if how == 0:
            data[i] = rng.integers(256)
        elif how == 1:
            data[i : i + n] = b""
        elif how == 2:
            data[i:i] = rng.bytes(n)
        elif how == 3:
            data[i : i + n] = bytes([[0, 255, 127, 128][rng.integers(4)]]) * n
        else:
            return bytes(data[:i])
        if not data:
            break
    return bytes(data)


def mutate_archive(rng, header, members):
    """Tricks of the archive: sizes, names, flags, order, compression, what lies around it."""
    pairs = list(members.items())
    text = json.dumps(header, ensure_ascii=True).encode()
    how = rng.integers(10)
    if how == 0 and pairs:
        pairs.append(pairs[rng.integers(len(pairs))])
    elif how == 1 and pairs:
        del pairs[rng.integers(len(pairs))]
    elif how == 2:
        pairs.append((["../x", "/etc/x", HEADER, "x/", "\ud800", "a\0b"][rng.integers(6)], b"1"))
    elif how == 3:
        pairs = [pairs[i] for i in rng.permutation(len(pairs))]
    elif how == 4:
        version = [0, 2, -1, 1.5, "1", None, 10**400][rng.integers(7)]
        text = json.dumps({**header, "version": version}).encode()
    elif how == 5:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", [8, 12, 14][rng.integers(3)]) as out:
            out.writestr(HEADER, text)
            for name, data in pairs:
                out.writestr(name, data + bytes(10**5) * int(rng.integers(2)))
        return file.getvalue()
    data = bytearray(pack(text, pairs))
    if how == 6:
        # fields of a local header, of the directory, or of its end
        starts = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"][rng.integers(3)]
        at = data.find(starts, int(rng.integers(len(data))))
        at = at if at >= 0 else data.find(starts)
        place = at + 4 + int(rng.integers(20))
        size = int(rng.choice([2, 4]))
        value = [0, 1, 0xFFFFFFFF, 2**31, 8, 0x0801, 10**9][rng.integers(7)] % (1 << 8 * size)
        data[place : place + size] = value.to_bytes(size, "little")
    elif how == 7:
        data = bytearray(rng.bytes(int(rng.integers(1, 40)))) + data
    elif how == 8:
        data += rng.bytes(int(rng.integers(1, 40)))
    elif how == 9:
        other, more, _ = source(NAMES[rng.integers(len(NAMES))])
        data += pack(json.dumps(other).encode(), list(more.items()))
    return bytes(data)


NAMES = list(model_catalogue.MODELS)


def mutation(seed, number):
    """Return the name of a model and the bytes of a mutation of its file."""
    rng = np.random.default_rng([seed, number])
    name = NAMES[rng.integers(len(NAMES))]
    header, members, data = source(name)
    how = rng.random()
    if how < 0.1:
        return name, mutate_bytes(rng, data)
    # a copy, faster than that of copy
    header, members = json.loads(header_text(name)), dict(members)
    if how < 0.2:
        return name, mutate_archive(rng, header, members)
    if how < 0.65:
        mutate_tree(rng, header, members)
        if rng.random() < 0.3:
            members["new"] = bytes_of(rng.integers(0, 3, rng.integers(1, 4)) * 1.0)
    if how > 0.6:
        mutate_array(rng, header, members)
    return name, pack(json.dumps(header).encode(), list(members.items()))


def load(data):
    """Return the model, or None where the file is refused."""
    try:
        return fastridge.load(io.BytesIO(data))
    except ModelFileError as error:
        assert "found" in str(error)  # noqa: PT017
        assert "expected" in str(error)  # noqa: PT017
        return None


def use(model):
    """Call what a model is for; any error is a fault."""
    repr(model)
    saved(model)
    if isinstance(model, dict):
        shapes = {i: a.shape for i, s in model["state"].items() for a in s.values() if np.ndim(a)}
        count = max(shapes, default=-1) + 1
        if count > 100 or sum(np.prod(s) for s in shapes.values()) > 10**6:
            return
        optimizer = fastridge.optim.SGD(
            [np.ones(shapes.get(i, 1)) for i in range(count)] or [np.ones(1)], lr=1.0
        )
        try:
            optimizer.load_state_dict(model)
        except (ValueError, TypeError):
            return
        return
    model_catalogue.use(model)


def run(seed, first, count):
    """Load mutations and use what loads; return counts and faults."""
    counts, faults = collections.Counter(), []
    for number in range(first, first + count):
        name, data = mutation(seed, number)
        try:
            model = load(data)
            counts["loaded" if model is not None else "refused"] += 1
            if model is not None:
                use(model)
        except Exception as error:
            faults.append((number, name, f"{type(error).__name__}: {error}"[:300]))
    return counts, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in NAMES:
        header_text(name)
    # collections need not look at the sources, and few arrays have a header of their own
    gc.freeze()
    ast.literal_eval = functools.lru_cache(10_000)(ast.literal_eval)
    start, total = time.process_time(), collections.Counter()
    for first in range(given.first, given.first + given.count, 1000):
        counts, faults = run(given.seed, first, min(1000, given.first + given.count - first))
        total += counts
        for fault in faults:
            print(*fault, flush=True)
        total["faults"] += len(faults)
        if first // 1000 % 20 == 19:
            print(dict(total), f"{time.process_time() - start:.0f} s", flush=True)
    print(dict(total), f"{time.process_time() - start:.0f} s")


if __name__ == "__main__":
    main()
