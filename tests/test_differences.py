"""DIFFERENCES.md says what differs from scikit-learn, all of it, and why."""

import differences
import pytest
import sklearn

pytestmark = pytest.mark.skipif(
    not sklearn.__version__.startswith("1.9."), reason="compared with scikit-learn 1.9"
)


@pytest.fixture(scope="module")
def found():
    return differences.differences()


@pytest.mark.slow
def test_every_difference_has_a_reason(found):
    assert not differences.unexplained(found)


@pytest.mark.slow
def test_every_reason_has_a_difference(found):
    assert not differences.unused(found)


def test_names_that_are_scikit_learns_are_compared():
    compared = {*differences.ESTIMATORS, *differences.FUNCTIONS}
    both = set(sklearn.linear_model.__all__) & set(differences.ours.__all__)
    assert both == compared


@pytest.mark.slow
def test_the_file_is_up_to_date():
    expected = differences.text()
    assert differences.FILE.read_text(encoding="utf-8") == expected, (
        "run python tests/differences.py"
    )
