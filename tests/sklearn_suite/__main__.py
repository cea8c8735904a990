"""Run scikit-learn's tests of linear models with fastridge's: ``python tests/sklearn_suite``.

Arguments go to pytest; those that name a test are ``test_ridge::test_ridge_vs_lstsq``.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = "sklearn.linear_model."
FILES = {
    "test_base": "tests.",
    "test_bayes": "tests.",
    "test_sparse_coordinate_descent": "tests.",
    "test_coordinate_descent": "tests.",
    "test_glm": "_glm.tests.",
    "test_linear_loss": "tests.",
    "test_logistic": "tests.",
    "test_ridge": "tests.",
    "test_sgd": "tests.",
}
# the minor version whose tests `expected` is about
VERSION = "1.9"


def version():
    """Return the minor version of scikit-learn that is installed."""
    from importlib.metadata import version

    return ".".join(version("scikit-learn").split(".")[:2])


def run(arguments, **options):
    """Run pytest on the tests that are named, or on all."""
    files = [a for a in arguments if a.partition("::")[0] in FILES]
    others = [a for a in arguments if a not in files]
    named = [PACKAGE + FILES[a.partition("::")[0]] + a for a in files or FILES]
    command = [sys.executable, "-P", "-m", "pytest", "-c", str(HERE / "pytest.ini")]
    command += ["-p", "swapped", *others, "--pyargs", *named]
    environment = dict(os.environ)
    # the set of tests depends on these
    for name in ("SCIPY_ARRAY_API", "SKLEARN_TESTS_GLOBAL_RANDOM_SEED", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    found = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), *([found] if found else [])])
    return subprocess.run(command, env=environment, **options)


if __name__ == "__main__":
    if version() != VERSION:
        print(f"scikit-learn is {version()}, the expected differences are of {VERSION}: not run")
        sys.exit(0)
    sys.exit(run(sys.argv[1:]).returncode)
