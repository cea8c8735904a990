"""Run the examples of the README, the documentation pages and the docstrings."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from cases import each

import fastridge
from fastridge._descriptions import expand

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = ["fastridge", *(m.name for m in pkgutil.walk_packages(fastridge.__path__, "fastridge."))]


def test_pages_are_there():
    assert len(PAGES) > 5


@pytest.mark.parametrize("page", [p for p in PAGES if ">>>" in (ROOT / p).read_text("utf-8")])
def test_examples_of_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(
        str(ROOT / page), module_relative=False, optionflags=OPTIONS, encoding="utf-8"
    )
    assert result.attempted > 0
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


def see_also(name):
    """Return the public names of the See Also section of a public name."""
    doc = inspect.cleandoc(getattr(fastridge, name).__doc__)
    section = re.search(r"^See Also\n-+\n(.*?)(?=\n\n\w[\w ]*\n--|\Z)", doc, re.S | re.M)
    heads = re.findall(r"^(\w[\w., ]*?) : ", section[1], re.M) if section else []
    names = {n.removeprefix("fastridge.") for head in heads for n in head.split(", ")}
    return names & set(fastridge.__all__)


def test_see_also_leads_both_ways():
    links = {name: see_also(name) for name in fastridge.__all__}
    assert [name for name, others in links.items() if not others] == []
    assert [(a, b) for a, others in links.items() for b in others if a not in links[b]] == []


def described(doc, title):
    """Return what a section of a docstring describes: kinds by name."""
    text = inspect.cleandoc(doc)
    section = re.search(rf"^{title}\n-+\n(.*?)(?=\n\n\w[\w ]*\n--|\Z)", text, re.S | re.M)
    heads = re.findall(r"^(\*{0,2}\w[\w, ]*)(?: : (.*))?$", section[1] if section else "", re.M)
    return {name: kind for names, kind in heads for name in names.split(", ")}


def default_of(kind):
    """Return the literal that a description names as the default; None where it is none."""
    found = re.search(r"default=(.+)$", kind)
    try:
        return (ast.literal_eval(found[1]),) if found else None
    except (ValueError, SyntaxError):
        return None


@pytest.mark.parametrize(
    ("module", "name"),
    [(m, n) for m in (fastridge, fastridge.optim) for n in dir(m) if not n.startswith("_")],
)
def test_every_parameter_is_described_where_it_is(module, name):
    thing = getattr(module, name)
    if not callable(thing) or (isinstance(thing, type) and issubclass(thing, tuple)):
        return
    assert not re.search(r"^ +As (in|for) `\w+`[.;]", thing.__doc__, re.M)
    kinds = described(thing.__doc__, "Parameters")
    parameters = inspect.signature(thing).parameters
    if kinds or hasattr(thing, "get_params"):
        assert set(kinds) == set(parameters)
    for parameter, kind in kinds.items():
        default = default_of(kind)
        if default is not None:
            assert default == (parameters[parameter].default,), parameter
            assert type(default[0]) is type(parameters[parameter].default), parameter


@pytest.mark.parametrize("margin", ["", "    "])
def test_descriptions_that_are_written_once(margin):
    source = inspect.cleandoc("""
        Source.

        Parameters
        ----------
        a, b : float, default=1.0
            Numbers.

            In two paragraphs.
        c : str, default="x"
            A letter.

        Returns
        -------
        d
            As in `Other`.
        """)
    doc = inspect.cleandoc("""
        Taker.

        Parameters
        ----------
        first : int
            Its own.
        c, b
            As in `Source`.
        a : int, default=2
            As for `Source`; a whole one.

        Notes
        -----
        The end.
        """)
    expected = inspect.cleandoc("""
        Taker.

        Parameters
        ----------
        first : int
            Its own.
        c : str, default="y"
            A letter.
        b : float, default=1.0
            Numbers.

            In two paragraphs.
        a : int, default=2
            Numbers.

            In two paragraphs.
            A whole one.

        Notes
        -----
        The end.
        """)
    indented = source.replace("\n", "\n    ")
    found = expand(doc.replace("\n", f"\n{margin}"), {"Source": indented}.get, {"c": "y", "a": 2})
    assert inspect.cleandoc(found) == expected
    assert expand("No sections.", {}.get, {}) == "No sections."
    with pytest.raises(ValueError, match="Source does not describe 'e'"):
        expand(doc.replace("c, b", "e"), {"Source": source}.get, {})


@each("name", MODULES)
def test_lines_that_go_on_have_no_runs_of_blanks(name):
    """The indentation after a backslash would be part of the text."""
    source = Path(importlib.import_module(name).__file__)
    if source.suffix == ".py":
        assert not re.search(r"\\\n +\S", source.read_text(encoding="utf-8"))
