"""The output of show_versions, and modules that it must not import."""

import subprocess
import sys

import numpy as np
import pytest

import fastridge
from fastridge import _cpu, _show_versions


@pytest.fixture
def shown(capsys):
    assert fastridge.show_versions() is None
    lines = capsys.readouterr().out.splitlines()
    return {line[:22].strip(): line[22:].strip() for line in lines}


def test_says_what_a_bug_report_needs(shown):
    assert shown["fastridge"].startswith(fastridge.__version__)
    assert shown["Python"].startswith(sys.version.split()[0])
    assert shown["numpy"] == np.__version__
    assert shown["instruction set"] == _cpu.get_instruction_set()
    assert shown["can be"].split(", ") == list(_cpu.instruction_sets())
    assert shown["OpenMP"].endswith("yes" if _cpu.has_threads() else "no")
    assert shown["threads"] == str(fastridge.get_num_threads())
    assert shown["BLAS of NumPy"]
    assert all(shown.values())


def test_shows_variables_and_what_is_not_installed(monkeypatch, capsys):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setattr(_show_versions, "_PACKAGES", ("no-such-package",))
    fastridge.show_versions()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["OPENBLAS_NUM_THREADS", "3"] in lines
    assert ["MKL_NUM_THREADS", "not", "set"] in lines
    assert ["no-such-package", "not", "installed"] in lines


def test_without_a_known_blas(monkeypatch):
    monkeypatch.setattr(np, "show_config", lambda mode: None)
    assert _show_versions._blas() == "unknown"


def test_imports_none_of_the_packages_it_looks_up():
    code = (
        "import sys, fastridge; fastridge.show_versions(); "
        "print(sorted({'sklearn', 'pandas', 'polars', 'pyarrow'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines()[-1] == "[]"
