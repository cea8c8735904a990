"""Numbers of svmlight text are rounded as by Python's float()."""

import random
import struct
from fractions import Fraction

import numpy as np
import pytest
from svmlight_results import outcome

from fastridge import _svmlight, reference
from fastridge.io import read_svmlight


def halfway(x):
    """The point between a double and the next, in full, and texts just below and above it."""
    exact = (Fraction(x) + Fraction(np.nextafter(x, np.inf))) / 2
    digits = exact.numerator * 10 ** (exact.denominator.bit_length() - 1) // exact.denominator
    power = exact.denominator.bit_length() - 1
    assert Fraction(digits, 10**power) == exact
    return [f"{digits + d}e-{power}" for d in (-1, 0, 1)] + [
        f"{digits}0000000000000000001e-{power + 19}", f"{digits}e-{power}" + "_0",
        f"{digits}" + "0" * 800 + f"e-{power + 800}", f"{digits}" + "0" * 800 + f"1e-{power + 801}",
    ]  # fmt: skip


def hard_numbers():
    rng = random.Random(0)
    for x in (
        5e-324, 1e-323, 2.225073858507201e-308, 2.2250738585072014e-308, 1.0, 2.0**53, 2.0**54,
        9007199254740993.0, 1.7976931348623155e308, 0.1, 1e22, 1e23, 123456.789, 0.0,
    ):  # fmt: skip
        yield from halfway(x)
    for _ in range(300):
        x = struct.unpack("d", struct.pack("Q", rng.getrandbits(63)))[0]
        if np.isfinite(x):
            yield from (repr(x), f"{x:.16e}", f"{x:.17e}", f"{x:.20e}", f"{x:.25e}", f"{x:.400e}")
            if rng.random() < 0.1:
                yield from halfway(x)
    for _ in range(2000):
        w, q = rng.getrandbits(rng.randint(1, 64)), rng.randint(-345, 310)
        yield from (
            f"{w}e{q}",
            f"{w}",
            f"0.{w}",
            f"0.{'0' * rng.randint(0, 30)}{w}",
            f"{w}.{w}e{q}",
        )
    largest = 2**1024 - 2**970  # halfway from the largest to infinity
    yield from (
        str(largest - 1),
        str(largest),
        str(largest + 1),
        f"{largest}.0",
        f"{largest - 1}.9999",
    )
    yield from (
        "1e400",
        "1e-400",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "0e999999999",
    )
    yield from (
        "9" * 400,
        "0." + "0" * 400 + "9" * 400,
        "1" + "0" * 400 + "e-400",
        "0" * 500 + "1.5",
    )
    yield from ("0." + "0" * 5000 + "1e5000", "1" + "0" * 5000 + "e-5000", "1." + "0" * 1000 + "1")
    yield from ("8" * 19, "8" * 20, "8" * 21, "0." + "8" * 19, "0.0" + "8" * 19, "0.00" + "8" * 19)
    yield from ("1e0005", "1e-00000000000000000005", "1e+12345678", "1e1234567", "1.e2", ".5e-1")
    yield from ("inf", "INF", "+inf", "iNfInItY", "nan", "NaN", "+nan", "1_0", "1_0.0_1", "1e1_0")


BAD_NUMBERS = (
    "", ".", "e", "e5", ".e5", "1e", "1e+", "1e-", "+", "-", "+-1", "--1", "1-", "1.2.3", "1..2",
    "1e5.0",
    "1e5e5", "0x10", "0x1p3", "1d5", "1f", "in", "infinit", "infinityx", "nan1", "nan(0)", "1_",
    "_1", "1__0",
    "1_.5", "1._5", "1_e5", "1e_5", "1e5_", "1,5", "\u0661", "1\x00", "i_nf", "1 2", "\xbd",
    "1e1__0",
)  # fmt: skip


def as_bits(x):
    return struct.pack("d", x)


def test_numbers_are_rounded_as_float_does():
    found = 0
    for text in hard_numbers():
        for sign in ("", "-"):
            signed = sign + text.removeprefix("+") if sign else text
            expected = float(signed)
            assert as_bits(_svmlight.number(signed.encode())) == as_bits(expected), signed
            found += 1
    assert found > 20_000


def test_numbers_in_lines_are_rounded_as_float_does():
    texts = [text for text in hard_numbers() for text in (text, "-" + text.removeprefix("+"))]
    y = read_svmlight("\n".join(texts).encode())[1]
    expected = np.array([float(text) for text in texts])
    assert y.tobytes() == expected.tobytes()
    lines = "\n".join(f"0 1:{text}" for text in texts).encode()
    assert read_svmlight(lines)[0].data.tobytes() == expected.tobytes()
    with np.errstate(over="ignore"):
        single = expected.astype(np.float32)
    assert read_svmlight(lines, dtype=np.float32)[0].data.tobytes() == single.tobytes()


def test_what_is_no_number():
    for text in BAD_NUMBERS:
        with pytest.raises(ValueError, match=r"float|convert"):
            float(text.encode())
        assert _svmlight.number(text.encode()) is None
        line = b"0 1:" + text.encode()
        assert outcome(reference.read_svmlight, line) is None
        assert outcome(read_svmlight, line) is None, text
