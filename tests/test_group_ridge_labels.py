"""Groups that GroupRidge refuses, by name and before anything is written."""

import numpy as np
import pandas as pd
import pytest

from fastridge import GroupRidge


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        ({"a": [0, 1], "b": []}, r"groups\['b'\] is empty"),
        ({}, "no group for 3 feature"),
        ({"a": [0, 1], "b": [1, 2]}, r"groups has feature 1 in 'a' and in 'b'"),
        ([[0], [1]], "no group for 1 feature.*, of which 2 is the first"),
        ([[0, 1], [5]], r"groups\[1\] has column 5"),
        ([["x"], [1, 2]], "no column names"),
        (["a", "b"], r"groups has shape \(2,\)"),
        (np.zeros((3, 1)), r"groups has shape \(3, 1\)"),
        ("all", "groups is 'all'"),
        (b"each", "groups is b'each'"),
        ({0, 1, 2}, r"groups is \{0, 1, 2\}"),
        (3, "groups is 3"),
        ((i for i in range(3)), "groups is <generator"),
        ([[0, 0], [1, 2]], "twice"),
        ({"a": slice(4)}, r"groups\['a'\] is slice.*bounds within the 3"),
        ({"a": slice(0, 3, 0)}, r"groups\['a'\] is slice.*expected a slice"),
        ({"a": slice(0, 3, "x")}, r"groups\['a'\] is slice.*expected a slice"),
        ({"a": [True, False], "b": [2]}, r"groups\['a'\] is a mask of shape \(2,\)"),
        ({"a": [0.0, 1.0], "b": [2]}, r"groups\['a'\] has 0.0"),
        ({"a": None}, r"groups\['a'\] is None"),
        (["a", np.nan, "b"], "groups has strings and the label nan"),
        (["a", None, "b"], "groups has strings and the label None"),
        ([1, "a", 2], "groups has strings and the label 1"),
        ([1.0, np.nan, 1.0], "groups has the label nan at feature 1"),
        (np.array([1, "NaT", 1], "M8[D]"), "groups has the label NaT at feature 1"),
        ([1j, 2, 3], "groups has labels of dtype complex128"),
        ([None, None, None], "groups has the label None at feature 0"),
        (pd.MultiIndex.from_tuples([(0, 1)] * 3), r"groups has the label \(0, 1\)"),
        (pd.Series([[0, 1], [0], [1]]).to_numpy(), r"groups has the label \[0, 1\]"),
        (np.ma.masked_array([0, 0, 1], mask=[0, 1, 0]), "groups is a masked array"),
    ],
)
def test_groups_that_are_wrong(groups, match):
    model = GroupRidge(groups)
    before = set(vars(model))
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(np.eye(4, 3), np.arange(4.0))
    assert set(vars(model)) == before
