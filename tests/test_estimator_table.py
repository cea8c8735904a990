"""Tables of estimators and of their parameters, against constructors, public names and files."""

import inspect
import math

import numpy as np
import pytest

import fastridge
from fastridge import Ridge, criteria, linear_model
from fastridge._estimators import ESTIMATORS, home_of, row_of
from fastridge.io._classes import CLASSES, load_class
from fastridge.linear_model import _parameters

EVERY = pytest.mark.parametrize("name", ESTIMATORS)

# not in the table: data or objects of the caller, or without effect
ELSEWHERE = {"verbose", "validation", "scoring"}
PASSED_ON = {
    "GLMCV": {"cv"},
    "LogisticRegressionCV": {"cv"},
    "ElasticNetCV": {"cv", "penalty_factor", "lower", "upper"},
    "LassoCV": {"cv", "penalty_factor", "lower", "upper"},
    "MultiTaskElasticNetCV": {"cv", "penalty_factor"},
    "MultiTaskLassoCV": {"cv", "penalty_factor"},
}
VALUES = [
    None, True, False, np.True_, -1, 0, 1, 7, 10**400, -1.0, -0.0, 0.0, 0.5, 1.0, 1e300, math.inf,
    math.nan, np.float32(0.5), np.float64(2.0), np.int64(3), "auto", "cyclic", "min", "x", b"x",
    [1.0], [], {}, np.ones(2), 1j, object(), len,
]  # fmt: skip


def test_public_names_are_the_rows():
    assert sorted(ESTIMATORS) == sorted(linear_model.__all__) == dir(linear_model)
    assert set(ESTIMATORS) <= set(fastridge.__all__)
    assert set(ESTIMATORS) <= set(CLASSES)


@EVERY
def test_a_row_is_found_from_the_class_and_from_subclasses(name):
    cls = getattr(fastridge, name)
    assert cls is getattr(linear_model, name) is load_class(name)
    assert cls.__module__ == home_of(name)
    row = ESTIMATORS[name]
    assert row_of(cls) is row_of(type("Other", (cls,), {})) is row
    assert row.penalty in (None, "ridge", "net", "groups", "glm")
    assert row.targets in ("one", "several", "only several", "labels")


def test_other_classes_have_no_row():
    assert row_of(type("Ridge", (), {})) is None
    assert row_of(dict) is None


def test_criteria_name_every_estimator():
    with pytest.raises(TypeError) as raised:
        criteria.information_criteria(1, [[1.0]], [1.0])
    for name in ESTIMATORS:
        assert name in str(raised.value)


@EVERY
def test_every_parameter_of_a_constructor_is_in_the_table(name):
    cls = getattr(fastridge, name)
    constructor = set(inspect.signature(cls).parameters)
    table = set(cls._parameters)
    assert table <= constructor
    assert constructor - table <= ELSEWHERE | PASSED_ON.get(name, set())


@EVERY
def test_defaults_pass_at_once_unless_they_have_checks_of_their_own(name):
    model = getattr(fastridge, name)()
    model._check_parameters()
    alone = any(kind.check is not None for _, default, kinds in model._checks for kind in kinds)
    assert model._pass_at_once() == (not alone)


@EVERY
def test_quick_tests_pass_nothing_that_the_tests_refuse(name):
    cls = getattr(fastridge, name)
    for parameter, _, kinds in cls._checks:
        quick = next((kind.quick for kind in kinds if kind.quick), "False")
        for value in VALUES:
            if eval(quick, {"inf": math.inf, "v": value}):
                assert all(kind.holds(value) for kind in kinds), (parameter, value)


@EVERY
def test_whatever_a_parameter_is_it_passes_or_is_named(name):
    cls = getattr(fastridge, name)
    for parameter in cls._parameters:
        for value in VALUES:
            model = cls(**{parameter: value})
            said = parameter
            try:
                model._check_parameters()
            except (ValueError, TypeError) as error:
                said = str(error)
            assert parameter in said


def test_a_subclass_is_checked_with_its_own_defaults():
    class Negative(Ridge):
        def __init__(self, alpha=-1.0):
            super().__init__(alpha)

    with pytest.raises(ValueError, match="'alpha' parameter of Negative must be a finite number"):
        Negative().fit([[1.0], [2.0]], [1.0, 2.0])
    assert Ridge().fit([[1.0], [2.0]], [1.0, 2.0]).coef_.shape == (1,)


def test_docstrings_of_subclasses_are_left_as_they_are():
    class Mine(Ridge):
        """Mine.

        Parameters
        ----------
            Text that is no entry.
        alpha
            As in `NoSuchClass`.
        """

    assert "As in `NoSuchClass`." in Mine.__doc__


def test_rules_of_several_parameters_hold_with_usual_values_of_the_others():
    with pytest.raises(ValueError, match="'solver' parameter of Ridge must be 'auto' or 'lbfgs'"):
        Ridge(solver="cg", positive=True)._check_parameters()
    with pytest.raises(ValueError, match="'solver' parameter of Ridge must be another"):
        Ridge(solver="lbfgs")._check_parameters()
    Ridge(solver="lbfgs", positive=True)._check_parameters()
    with pytest.raises(ValueError, match="'cv' parameter of RidgeCV must be None where"):
        fastridge.RidgeCV(cv=3, validation=0.5)._check_parameters()


def test_kinds():
    assert _parameters.is_count(np.int64(3))
    assert not _parameters.is_count(True)
    assert not _parameters.is_array_like("abc")
    assert _parameters.is_array_like(np.ones(2))
    assert _parameters.is_memory(10**400)
