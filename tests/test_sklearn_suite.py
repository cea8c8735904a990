"""The quick ones of scikit-learn's own tests with fastridge's estimators; see `sklearn_suite`."""

import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

suite = runpy.run_path(str(Path(__file__).with_name("sklearn_suite") / "__main__.py"))


@pytest.mark.slow
@pytest.mark.skipif(
    suite["version"]() != suite["VERSION"],
    reason=f"the expected differences are those of scikit-learn {suite['VERSION']}",
)
def test_quick_files():
    if find_spec("sklearn.linear_model.tests") is None:
        pytest.skip("scikit-learn is installed without its tests")
    files = ["test_base", "test_bayes", "test_sparse_coordinate_descent"]
    found = suite["run"](files, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
