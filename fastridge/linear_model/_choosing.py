"""Shared by all estimators that choose their penalty: metadata, seeds, held-out sets."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from .. import _sklearn
from ..data.check import check_design, check_sample_weight, recheck
from ._base import Estimator


class Metadata(NamedTuple):
    """Arguments of `fit` other than the data.

    groups : array-like of shape (n_samples,) or None
        Groups for an int `cv` and for a held-out share.
    split : dict or None
        Keyword arguments of the splitter; None where no metadata is routed.
    score : dict or None
        Keyword arguments of the scorer, without the weights of the fit; None where no metadata is
        routed.
    """

    groups: Any
    split: dict[str, Any] | None = None
    score: dict[str, Any] | None = None


class Choosing(Estimator):
    """Held-out sets, seeds and metadata requests."""

    cv: Any
    validation: Any
    random_state: Any

    get_metadata_routing = _sklearn.BorrowedRouter()
    # splitters request groups themselves; for an int `cv`, set_fit_request does
    __metadata_request__fit: ClassVar[_sklearn.Unused] = _sklearn.Unused("groups")

    def _routes(self) -> dict[str, tuple[str, Any]]:
        """Return by name the method and the object that metadata of `fit` is routed to."""
        return {"splitter": ("split", self.cv)}

    def _metadata(self, sample_weight: Any, groups: Any, params: dict[str, Any]) -> Metadata:
        """Route the metadata of `fit` to splitter and scorer."""
        if not _sklearn.routes():
            if params:
                raise ValueError(
                    f"{type(self).__name__}.fit got {', '.join(map(repr, params))}: passing extra"
                    " keyword arguments is only supported if enable_metadata_routing=True (set it"
                    " with sklearn.set_config); expected only sample_weight and groups."
                )
            return Metadata(groups)
        given = {"sample_weight": sample_weight, **params}
        asks = hasattr(self.cv, "get_metadata_routing")
        if asks or self.get_metadata_routing().consumes("fit", ["groups"]):
            given["groups"] = groups
        routed = _sklearn.route(self, given)
        score = routed.get("scorer", {})
        if score.get("sample_weight") is sample_weight:
            score.pop("sample_weight", None)
        return Metadata(groups, routed["splitter"] if asks else None, score)

    def _rng(self) -> np.random.Generator:
        state = self.random_state
        if state is None or isinstance(state, Integral):
            return np.random.default_rng(0 if state is None else int(state))
        return np.random.default_rng(state.randint(2**31))

    def _held(self, p: int, check_y: Any) -> Any:
        """Return (A, y, weight) of a given held-out set; None for a share."""
        validation = self.validation
        if validation is None or not isinstance(validation, (tuple, list)):
            return None
        if len(validation) not in (2, 3):
            raise ValueError(
                f"validation has {len(validation)} elements; expected (X, y) or (X, y,"
                " sample_weight)."
            )
        A = check_design(validation[0], name="validation X", n_features=p, caller="the fit")
        weight = validation[2] if len(validation) == 3 else None
        if weight is not None:
            weight = check_sample_weight(weight, A.n_rows, name="validation sample_weight")
        y = check_y(validation[1], A.n_rows)
        recheck(A)
        return A, y, weight

    @_sklearn.describe_request
    def set_fit_request(
        self,
        *,
        sample_weight: bool | str | None = _sklearn.UNCHANGED,
        groups: bool | str | None = _sklearn.UNCHANGED,
    ) -> Self:
        return _sklearn.request_metadata(self, "fit", sample_weight=sample_weight, groups=groups)


def require_numbers(name: str, values: Any) -> None:
    """Refuse an array-like of penalties that holds something other than real numbers."""
    if getattr(values, "dtype", None) is not None and values.dtype.kind in "biuf":
        return
    items = np.empty(len(values), dtype=object)
    items[:] = list(values)
    for place, item in enumerate(items):
        if not isinstance(item, Real) and getattr(item, "ndim", 0) == 0:
            raise TypeError(
                f"{name} holds {item!r}, a {type(item).__name__}, at position {place}; expected"
                " numbers."
            )


class Known:
    """Model that returns stored predictions for one X."""

    def _show(self, coef: Any, intercept: Any, X: Any, prediction: Any) -> Any:
        several = np.ndim(prediction) == 2 and prediction.shape[1] > 1
        self.coef_ = coef if several else coef[0]
        self.intercept_ = intercept if several else np.float64(intercept[0])
        self.n_features_in_ = coef.shape[1]
        self._seen = X
        self._prediction = prediction if several else np.reshape(prediction, -1)
        return self

    def _linear_predictor(self, X: Any, method: str) -> Any:
        if X is self._seen:
            return self._prediction.copy()
        return super()._linear_predictor(X, method)  # type: ignore[misc]
