"""The project's own files agree on its names, its version and its extras."""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import fastridge

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "examples/flights.py",
    "examples/weight_decay.py",
    ".ci/run",
    *(str(path.relative_to(ROOT)) for path in (ROOT / ".github/workflows").glob("*.yml")),
    *(str(path.relative_to(ROOT)) for path in (ROOT / "fastridge").rglob("*.py")),
]


def test_versions_agree():
    meson = (ROOT / "meson.build").read_text(encoding="utf-8")
    assert re.search(r"^  version: '(.+)',$", meson, re.MULTILINE)[1] == PROJECT["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == PROJECT["version"]
    assert metadata(PROJECT["name"])["Version"] == PROJECT["version"] == fastridge.__version__


def test_documents_install_what_exists():
    """Extras that are named exist, and no command installs the other project."""
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for what, extras in re.findall(r"pip install [^\n]*?([\w.-]+)\[([\w,]+)\]", text):
            assert what in (".", "fastridge-l2"), (name, what)
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"]), (name, extras)
        assert not re.search(r"pip install [^\n]*['\" ]fastridge\b(?!-l2)", text), name


def test_actions_are_pinned_by_commit():
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        for used in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", used), (path.name, used)


def test_supported_pythons_agree():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    wheels = {w[2:-2].replace("3", "3.", 1) for w in tool["cibuildwheel"]["build"].split()}
    free = {w for w in wheels if w.endswith("t")}
    named = {c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d", c)}
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    tested = set(re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.+)\]", workflow)[1]))
    assert wheels - free == named == tested
    assert free == set(re.findall(r'python-version: "(3\.\d+t)"', workflow))
    assert PROJECT["requires-python"] == ">=" + min(named, key=lambda v: int(v[2:]))
