"""Print the facts about machine and installation that a bug report needs."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from . import __version__, _cpu, _runtime
from ._threads import get_num_threads

_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "polars", "pyarrow", "threadpoolctl")
_VARIABLES = (
    "FASTRIDGE_ISA",
    "FASTRIDGE_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def show_versions() -> None:
    """Print what a bug report needs: versions, instruction set, threads and BLAS.

    Packages that fastridge does not need are looked up, not imported.

    See Also
    --------
    get_num_threads : Return the number of threads.

    Examples
    --------
    >>> import fastridge
    >>> fastridge.show_versions()  # doctest: +ELLIPSIS
    fastridge              0.1...
    Python                 3...
    platform               ...
    """
    for name, value in _facts():
        print(f"{name:<22} {value}")


def _facts() -> list[tuple[str, str]]:
    return [
        ("fastridge", f"{__version__} in {os.path.dirname(__file__)}"),
        ("Python", f"{' '.join(sys.version.split())} in {sys.executable}"),
        ("platform", platform.platform()),
        ("processors", _processors()),
        *((name, _version(name)) for name in _PACKAGES),
        ("Cython of the build", _cython()),
        ("instruction set", _cpu.get_instruction_set()),
        ("  can be", ", ".join(_cpu.instruction_sets())),
        ("OpenMP", f"not used; own threads: {'yes' if _cpu.has_threads() else 'no'}"),
        ("threads", str(get_num_threads())),
        ("BLAS of NumPy", _blas()),
        *((name, os.environ.get(name, "not set")) for name in _VARIABLES),
    ]


def _processors() -> str:
    count = os.cpu_count()
    if sys.platform == "linux":
        return f"{count}, of which {len(os.sched_getaffinity(0))} for this process"
    return str(count)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cython() -> str:
    # the type of compiled functions is in a module named after Cython's version
    found = re.fullmatch(r"_cython_(\d\w*)", type(_runtime.has_threads).__module__)
    return found[1].replace("_", ".") if found else "unknown"


def _blas() -> str:
    config = np.show_config(mode="dicts") or {}
    blas = config.get("Build Dependencies", {}).get("blas", {})
    parts = [str(blas.get(key, "")) for key in ("name", "version")]
    openblas = str(blas.get("openblas configuration", ""))
    if openblas:
        parts.append(f"({' '.join(openblas.split())})")
    return " ".join(part for part in parts if part) or "unknown"
