"""What the README and the docstrings show is what happens."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import fastridge

README = Path(__file__).resolve().parents[1] / "README.md"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = ["fastridge", *(m.name for m in pkgutil.walk_packages(fastridge.__path__, "fastridge."))]


def test_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(README), module_relative=False, optionflags=OPTIONS)
    assert result.attempted >= 5
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=OPTIONS).failed == 0


@pytest.mark.parametrize("name", [n for n in dir(fastridge) if not n.startswith("_")])
def test_public_names_have_an_example(name):
    thing = getattr(fastridge, name)
    if callable(thing):
        assert ">>>" in thing.__doc__


@pytest.mark.parametrize("name", MODULES)
def test_lines_that_go_on_have_no_runs_of_blanks(name):
    """The indentation after a backslash would be part of the text."""
    source = Path(importlib.import_module(name).__file__)
    if source.suffix == ".py":
        assert not re.search(r"\\\n +\S", source.read_text(encoding="utf-8"))
