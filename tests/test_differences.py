"""DIFFERENCES.md says what differs from scikit-learn, all of it, and why."""

import differences
import pytest
import sklearn

pytestmark = pytest.mark.skipif(
    not sklearn.__version__.startswith("1.9."), reason="compared with scikit-learn 1.9"
)


def test_names_that_are_scikit_learns_are_compared():
    compared = {*differences.ESTIMATORS, *differences.FUNCTIONS}
    both = set(sklearn.linear_model.__all__) & set(differences.ours.__all__)
    assert both == compared


@pytest.mark.slow
def test_differences_have_reasons_and_are_listed():
    found = differences.differences()
    assert not differences.unexplained(found)
    assert not differences.unused(found)
    assert differences.FILE.read_text(encoding="utf-8") == differences.text(found), (
        "run python tests/differences.py"
    )
