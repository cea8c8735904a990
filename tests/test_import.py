"""An import prints nothing and does not load optional modules."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastridge
from fastridge import _cpu


def python(code, *options, **environment):
    return subprocess.run(
        [sys.executable, "-P", *options, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_unbuilt_tree_says_so_in_a_sentence(tmp_path):
    unbuilt = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(Path(fastridge.__file__).parent, tmp_path / "fastridge", ignore=unbuilt)
    # -S: skip the import hook of an editable install
    done = python("import fastridge", "-S", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: fastridge is not built here: install it with")
    assert "During handling" not in done.stderr


def test_loads_little():
    code = (
        "import sys, numpy; before = set(sys.modules); import fastridge; "
        "print(sorted(set(sys.modules) & {'scipy', 'sklearn', 'pandas', 'fastridge.solvers'}), "
        "len(set(sys.modules) - before))"
    )
    loaded, count = python(code).stdout.rsplit(maxsplit=1)
    assert loaded == "[]"
    assert int(count) < 40


def test_unknown_name():
    done = python("import fastridge; fastridge.Rigde")
    assert done.stderr.splitlines()[-1].startswith("AttributeError: module 'fastridge'")


def test_unusable_instruction_set_is_refused():
    done = python("import fastridge", FASTRIDGE_ISA="mmx")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: FASTRIDGE_ISA: instruction set must be one of plain, ")
    assert "'mmx'" in last


@pytest.mark.slow
def test_number_of_threads_from_the_environment():
    code = "import fastridge; print(fastridge.get_num_threads())"
    expected = "3" if _cpu.has_threads() else "1"
    assert python(code, FASTRIDGE_NUM_THREADS="3").stdout.strip() == expected
    if expected == "3":
        assert python(code, FASTRIDGE_NUM_THREADS="no").stderr.count("FASTRIDGE_NUM_THREADS")
