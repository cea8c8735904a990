"""The picture of groups: what was drawn, by its points, bars and labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fastridge import GroupRidge, GroupShrinkageDisplay, Ridge

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def model(targets=1):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 12))
    Y = X[:, :4] @ rng.standard_normal((4, targets)) + rng.standard_normal((80, targets))
    labels = np.repeat(["strong", "none", "free"], 4)
    d = np.repeat([1.0, 1.0, 0.0], 4)
    y = Y[:, 0] if targets == 1 else Y
    return GroupRidge(labels, penalty_factor=d).fit(X, y)


def test_points_bars_and_shares():
    fitted = model()
    display = GroupShrinkageDisplay.from_estimator(fitted)
    for g in range(3):
        coef = fitted.coef_[fitted.group_index_ == g]
        at, drawn = display.points_[g].get_data()
        assert_allclose(drawn, coef)
        assert (np.abs(at - g) < 0.5).all()
        assert (np.diff(at) > 0).all()
        bar = display.bars_[g]
        assert_allclose(bar.get_height(), 2.0 * np.sqrt(fitted.prior_variance_[g]))
        assert_allclose(bar.get_y(), -np.sqrt(fitted.prior_variance_[g]))
        label = display.ax_.get_xticklabels()[g].get_text()
        assert label == f"{fitted.groups_[g]}\n{fitted.dof_[g] / 4:.0%}"
    assert_allclose(display.kept, fitted.dof_ / 4)
    display.figure_.canvas.draw()
    legend, axes = (a.get_window_extent() for a in (display.ax_.get_legend(), display.ax_))
    assert legend.x0 >= axes.x1


def test_targets_and_axes_that_are_given():
    fitted = model(2)
    _, ax = plt.subplots()
    display = GroupShrinkageDisplay.from_estimator(fitted, target=1, ax=ax)
    assert display.ax_ is ax
    assert_allclose(display.deviations, np.sqrt(fitted.prior_variance_[1]))
    assert not hasattr(GroupShrinkageDisplay.from_estimator(fitted, plot=False), "ax_")
    with pytest.raises(ValueError, match="target is 2; expected an int from 0 to 1"):
        GroupShrinkageDisplay.from_estimator(fitted, target=2)


def test_what_has_no_groups():
    with pytest.raises(TypeError, match="estimator is a Ridge; expected a GroupRidge"):
        GroupShrinkageDisplay.from_estimator(Ridge())
    with pytest.raises(ValueError, match="fit it first"):
        GroupShrinkageDisplay.from_estimator(GroupRidge())
