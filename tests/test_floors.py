"""The imports of the library: downwards only, and no private name of another package."""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

import fastridge

ROOT = Path(fastridge.__file__).parent

# from the ground up; a module imports from its own floor's package and from those before
FLOORS = (
    (
        "exceptions",
        "_sklearn",
        "_threads",
        "_blas_buffers",
        "_progress",
        "_cached",
        "_stack",
        "_cpu",
        "_locks",
        "_estimators",
        "_descriptions",
    ),
    ("data", "systems", "losses"),
    ("penalty", "quadratic"),
    ("moments",),
    ("solvers.ridge", "solvers.descent", "solvers.sgd"),
    ("solvers.left_out", "solvers.glm", "solvers.rolling"),
    ("solvers.ridge_path",),
    ("solvers.bayes",),
    ("solvers.group_ridge",),
    ("model_selection",),
    ("distributed",),
    ("linear_model",),
    ("criteria", "io", "plot", "_memory_estimate", "_show_versions"),
    ("chunks", "incremental", "reporting"),
    ("cli",),
)
# of no floor: they need nothing of the others, or are the front door
APART = {"__init__", "__main__", "kernels", "optim", "reference", "solvers"}
HEIGHT = {name: height for height, floor in enumerate(FLOORS) for name in floor}


class Import(NamedTuple):
    """Names that a module takes from another module of the library."""

    module: str
    source: str
    names: tuple[str, ...]
    line: int
    at_once: bool  # whether the import runs when the module is loaded

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}: {', '.join(self.names)} from {self.source}"


def package_of(module):
    """Return the package on a floor to which a module belongs: "solvers.ridge" of its modules."""
    parts = module.split(".")
    if parts[0] == "solvers" and parts[1:] != ["__init__"]:
        return ".".join(parts[:2])
    return parts[0]


def is_compiled(module):
    path = ROOT.joinpath(*module.split("."))
    return not path.is_dir() and not path.with_suffix(".py").exists()


def statements(nodes, at_once=True):
    """Yield the relative imports of a tree, and whether each runs when the module is loaded.

    Those that only type checkers read are left out.
    """
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node, at_once
        elif isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from statements(ast.iter_child_nodes(node), at_once and not function)


def imports_of(path):
    """Return the imports that a module does from others of the library, at once or later."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(ROOT).parts[:-1]
    module = ".".join((*package, path.stem))
    for node, at_once in statements(tree.body):
        base = package[: len(package) - node.level + 1]
        base += tuple(node.module.split(".")) if node.module else ()
        names = tuple(alias.name for alias in node.names)
        modules = [n for n in names if ROOT.joinpath(*base, n).with_suffix(".py").exists()]
        for name in modules:
            yield Import(module, ".".join((*base, name)), (), node.lineno, at_once)
        others = tuple(n for n in names if n not in modules)
        if others and base:
            yield Import(module, ".".join(base), others, node.lineno, at_once)


@pytest.fixture(scope="module")
def every():
    return [found for path in sorted(ROOT.rglob("*.py")) for found in imports_of(path)]


@pytest.fixture(scope="module")
def between(every):
    return [i for i in every if package_of(i.module) != package_of(i.source)]


def test_imports_are_found(every, between):
    assert len(every) > 300
    assert any(i.module == "solvers.ridge.dispatch" and not i.at_once for i in every)
    assert any(i.source == "quadratic.problem" and "RidgeProblem" in i.names for i in between)


def test_every_module_has_a_floor():
    packages = {
        package_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for path in ROOT.rglob("*.py")
    }
    assert packages - APART == set(HEIGHT)


def test_no_private_name_of_another_module(every):
    private = [str(i) for i in every if any(n.startswith("_") for n in i.names)]
    assert private == []


def test_finite_numbers_are_looked_for_by_the_door_alone(every):
    inside = {"data"}
    other = [
        str(i) for i in every if "require_finite" in i.names and package_of(i.module) not in inside
    ]
    assert other == []


def test_no_private_module_of_another_package(between):
    # of the ground floor, and tables of the floors that share a package
    private = [
        str(i)
        for i in between
        if "." in i.source
        and i.source.split(".")[-1].startswith("_")
        and package_of(i.source) not in ("model_selection", "linear_model")
    ]
    assert private == []


def test_no_import_against_the_floors(between):
    against = [
        str(i)
        for i in between
        if package_of(i.module) in HEIGHT
        and package_of(i.source) in HEIGHT
        and HEIGHT[package_of(i.source)] > HEIGHT[package_of(i.module)]
    ]
    assert against == []


def test_packages_of_a_floor_do_not_import_one_another(between):
    beside = [
        str(i)
        for i in between
        if HEIGHT.get(package_of(i.source), -1) == HEIGHT.get(package_of(i.module), -2) > 0
    ]
    assert beside == []


def test_ground_and_apart_need_nothing_above(between):
    loose = [
        str(i)
        for i in between
        if package_of(i.module) in APART - {"__init__", "__main__"}
        and HEIGHT.get(package_of(i.source), 0) > 0
    ]
    assert loose == []


def circles(edges):
    """Return the strongly connected sets of more than one module."""
    names = sorted({name for edge in edges for name in edge})
    reached = {name: {b for a, b in edges if a == name} for name in names}
    for middle in names:
        for name in names:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    return sorted({
        tuple(sorted(b for b in reached[a] if a in reached[b])) for a in names if a in reached[a]
    })  # fmt: skip


def test_no_circle_of_modules(every):
    edges = {(i.module, i.source) for i in every if not is_compiled(i.source)}
    assert circles(edges) == []


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({("a", "b"), ("b", "c")}, []),
        ({("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")}, [("a", "b", "c")]),
    ],
)
def test_circles(edges, expected):
    assert circles(edges) == expected
