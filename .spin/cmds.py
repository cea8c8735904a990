"""Tasks of `spin`, beside those it brings for Meson."""

import os
import sys

import click
from spin import util


@click.command()
def lint() -> None:
    """Check style, types, stubs and workflows (.ci/lint)."""
    util.run([".ci/lint"])


@click.command()
@click.argument("asv_args", nargs=-1)
def bench(asv_args: tuple[str, ...]) -> None:
    """Run the benchmarks once on the installed package; ASV_ARGS go to `asv run`."""
    config = ["--config", "benchmarks/asv.conf.json"]
    util.run(["asv", "machine", "--yes", *config])
    where = f"existing:{sys.executable}"
    util.run(["asv", "run", "--quick", "--environment", where, *config, *asv_args])


@click.command()
def docs() -> None:
    """Write DIFFERENCES.md, run the examples of pages and docstrings, and build the site."""
    util.run([sys.executable, os.path.join("tests", "differences.py")])
    util.run([sys.executable, "-m", "pytest", "tests/test_docs.py"])
    util.run([".ci/docs"])
