"""scikit-learn's checks of estimators, all of one estimator in a single test."""

import os
import warnings
from unittest import SkipTest, mock

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

# without it, scikit-learn leaves out the checks of its array API mode
ENVIRONMENT = {"SCIPY_ARRAY_API": "1"}


def check_all(estimator, expected_to_fail=()):
    """Run every check of `estimator`; those of some names must fail, and no other."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Estimator .* does not inherit from", UserWarning)
        checks = [check for _, check in estimator_checks_generator(estimator)]
    assert len(checks) > 40
    failed, skipped = set(), {}
    with mock.patch.dict(os.environ, ENVIRONMENT):
        for check in checks:
            name = check.func.__name__
            try:
                check(estimator)
            except SkipTest as reason:
                skipped[name] = str(reason)
            except Exception as error:
                if name not in expected_to_fail:
                    error.add_note(f"in {name} of {estimator}")
                    raise
                failed.add(name)
    assert failed == set(expected_to_fail)
    # a classifier without probabilities, here as in scikit-learn
    for name, reason in skipped.items():
        assert "format_predict_proba" not in name or "not have a predict_proba method" in reason


def all_checks(estimators):
    """Parametrize a test by estimators, which calls `check_all`."""
    return pytest.mark.parametrize("estimator", estimators, ids=str)
