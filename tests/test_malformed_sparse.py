"""Malformed sparse matrices in every public call, in a child process: refused, never a crash."""

import pathlib
import subprocess
import sys


def test_malformed_sparse_matrices():
    script = pathlib.Path(__file__).with_name("malformed_sparse.py")
    # a prime, so that each call meets other matrices
    made = subprocess.run(
        [sys.executable, "-P", str(script), "7"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    last = made.stderr.splitlines()[-1]
    assert made.returncode == 0, f"{made.returncode}: {last}"
    *wrong, count = made.stdout.splitlines()
    assert not wrong
    assert int(count.split()[0]) > 2500
