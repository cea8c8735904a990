"""What `memory_estimate` refuses, and how its numbers grow; `test_memory` compares it with fits."""

import numpy as np
import pytest

from fastridge import Lasso, Ridge, RidgeCV, memory_estimate


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Ridge(solver="x"), 10, 10), {}, "'solver' parameter of Ridge"),
        ((Ridge(max_memory="a"), 10, 10), {}, "'max_memory' parameter of Ridge"),
        ((RidgeCV(cv="abc"), 10, 10), {}, "'cv' parameter of RidgeCV"),
        ((Ridge, 10, 10), {}, "estimator is a type; expected one of Ridge"),
        ((Lasso(), 10, 10), {}, "estimator is a Lasso; expected one of Ridge"),
        ((Ridge(), 10.5, 10), {}, "n_samples must be an integer; got 10.5"),
        ((Ridge(), 10, 0), {}, "n_features must be at least 1; got 0"),
        ((Ridge(), 10, 10), {"n_targets": 0}, "n_targets must be at least 1"),
        ((Ridge(), 10, 10), {"n_nonzero": 101}, "n_nonzero is 101; expected at most .* = 100"),
        ((Ridge(), 10, 10), {"storage": "coo"}, "storage is 'coo'; expected 'csr' or 'csc'"),
        ((Ridge(positive=True), 10, 10), {}, "the estimator has positive=True"),
        ((Ridge(lower=0.0), 10, 10), {}, "the estimator has lower, which is not covered"),
        ((Ridge(prior_mean=np.ones(10)), 10, 10), {}, "the estimator has prior_mean"),
    ],
)
def test_refused(arguments, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        memory_estimate(*arguments, **options)


def test_a_larger_problem_takes_more_and_a_limit_less():
    few, many = memory_estimate(Ridge(), 5000, 500), memory_estimate(Ridge(), 5000, 2000)
    assert few < many
    assert memory_estimate(Ridge(max_memory=1e6), 5000, 2000) < many
    assert memory_estimate(RidgeCV(), 5000, 500) > few
    assert memory_estimate(Ridge(), 5000, 500, n_targets=100) > few


def test_one_penalty_counts_once_however_it_is_given():
    one = memory_estimate(RidgeCV([1.0], cv="loo"), 5000, 50)
    for alphas in (1.0, np.array(1.0)):
        assert memory_estimate(RidgeCV(alphas, cv="loo"), 5000, 50) == one
    assert memory_estimate(RidgeCV(np.ones(30), cv="loo"), 5000, 50) > one
