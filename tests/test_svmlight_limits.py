"""Memory that svmlight text may take, and interrupts."""

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastridge.io import _sources as sources
from fastridge.io import read_svmlight


@pytest.mark.slow
def test_lines_without_end_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "LONGEST_LINE", 10**6)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"1 1:2\n" + bytes(10**8)))
    with pytest.raises(ValueError, match=r"x\.gz: found a line of more than 1000000 bytes"):
        read_svmlight(path)
    assert len(read_svmlight(b"1" + b" " * 2 * 10**6 + b"1:2")[1]) == 1


def test_wrong_lines_are_found_before_memory_is_taken(monkeypatch):
    made = []
    monkeypatch.setattr(np, "empty", lambda n, *rest: made.append(n) or np.zeros(n, *rest))
    with pytest.raises(ValueError, match="line 1001, column 3: found ':::"):
        read_svmlight(b"1 1:2\n" * 1000 + b"1 " + b":" * 10**7)
    assert sum(made) < 10**7


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer here")
@pytest.mark.slow
def test_an_interrupt_gets_through():
    def interrupt(number, frame):
        raise KeyboardInterrupt

    text = b"1 " + b" ".join(b"%d:1.5" % j for j in range(1, 2_000_000)) + b"\n"

    def read_for_long():
        for _ in range(1000):
            read_svmlight(text)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            read_for_long()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


MEMORY = """
import gzip, sys
from pathlib import Path
import numpy as np
import scipy.sparse
from fastridge.io import read_svmlight, iter_svmlight

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

def peak(call):
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = call()
    return result, status("VmHWM") - before

path, kind = sys.argv[1:]
read_svmlight(b"1 1:2")
def blocks():
    with open(path, "rb") as file:
        while block := file.read(100_000):
            yield block
source = {"file": lambda: path, "blocks": blocks, "gz": lambda: path + ".gz"}[kind]()
(X, y), bytes = peak(lambda: read_svmlight(source))
size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes + y.nbytes
print(bytes / size)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no peak of memory here")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="memory is freed late")
def test_little_more_memory_than_the_result(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        b"1 " + b" ".join(b"%d:%d" % (j, v) for j, v in zip(range(1, 101), row, strict=True))
        for row in rng.integers(1, 1000, (1000, 100)).tolist()
    ]
    path = tmp_path / "x.svm"
    # 102 MB: buffers that do not grow with the file, and large pages, are little beside the result
    text = (b"\n".join(lines) + b"\n") * 150
    path.write_bytes(text)
    (tmp_path / "x.svm.gz").write_bytes(gzip.compress(text, 1))
    for kind in ("file", "blocks", "gz"):
        run = subprocess.run(
            [sys.executable, "-P", "-c", MEMORY, str(path), kind],
            capture_output=True, text=True, env={**os.environ, "FASTRIDGE_NUM_THREADS": "2"},
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert float(run.stdout) <= 1.3, kind
