"""Choose a penalty from scores, and tell whether the grid ends too soon."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._stack import outside

DECADES = 3  # decades per extension of a grid; 1 for lassos, whose fits take longer
EXTENSIONS = 6
_FLAT = 1e-4  # share of the error that a decade must gain for a grid to be extended


def check_select(select: Any) -> None:
    """Raise an error unless `select` is a rule of choice."""
    if not (callable(select) or (isinstance(select, str) and select in ("min", "1se"))):
        raise ValueError(f"select is {select!r}; expected 'min', '1se' or a callable.")


def best(score: NDArray[np.float64]) -> int:
    """Return the position of the highest score, the first of equal ones."""
    known = np.where(np.isnan(score), -np.inf, score)
    return int(np.argmax(known))


def choose(
    select: Any,
    alphas: NDArray[np.float64],
    score: NDArray[np.float64],
    error: NDArray[np.float64],
    results: Any,
    noise: NDArray[np.float64] | None = None,
) -> int:
    """Return the position of the penalty that the rule chooses.

    "min": the highest score; where scores are estimates, the largest penalty whose score differs
    from the highest by at most `noise`, the standard errors of these differences. "1se": the
    largest penalty whose score is within one standard error of the highest score. A callable is
    given the results.
    """
    if callable(select):
        chosen = select(results)
        if isinstance(chosen, (bool, np.bool_)) or not hasattr(chosen, "__index__"):
            raise TypeError(
                f"select returned {chosen!r}; expected the position of a penalty, an integer."
            )
        if not 0 <= chosen < len(alphas):
            raise ValueError(
                f"select returned {chosen}; expected a position from 0 to {len(alphas) - 1}."
            )
        return int(chosen)
    i = best(score)
    slack: Any = 0.0 if noise is None else noise
    if select == "1se" and np.isfinite(error[i]):
        slack = np.maximum(slack, error[i])
    elif select == "min" and noise is None:
        return i
    within = (score >= score[i] - slack) & (alphas >= alphas[i])
    within[i] = True
    return int(np.flatnonzero(within)[np.argmax(alphas[within])])


def beyond(
    alphas: NDArray[np.float64],
    score: NDArray[np.float64],
    decades: float = DECADES,
    noise: NDArray[np.float64] | None = None,
) -> NDArray[np.float64] | None:
    """Return penalties that extend the grid beyond the end at which the best score lies.

    None where the best score is inside the grid, or gains no more over the last decade than a share
    of 1e-4 or its `noise` (see `choose`).
    """
    order = np.argsort(alphas)
    ordered = alphas[order]
    if len(alphas) < 2 or ordered[0] <= 0:
        return None
    at = int(np.flatnonzero(order == best(score))[0])
    step = np.log10(ordered[-1] / ordered[0]) / (len(ordered) - 1)
    decade = max(1, min(round(1 / step), len(ordered) - 1))
    if at == 0:
        inside, sign, end = order[decade], -1.0, ordered[0]
    elif at == len(ordered) - 1:
        inside, sign, end = order[-1 - decade], 1.0, ordered[-1]
    else:
        return None
    gain = score[order[at]] - score[inside]
    if noise is not None and not gain > noise[inside]:
        return None
    if not gain > _FLAT * max(abs(score[order[at]]), np.finfo(float).tiny):
        return None
    count = max(1, round(decades / step))
    return end * 10.0 ** (sign * step * np.arange(1, count + 1))


def at_end(
    alphas: NDArray[np.float64],
    score: NDArray[np.float64],
    noise: NDArray[np.float64] | None = None,
) -> str:
    """Return the end, "lower" or "upper", where the best score lies and still improves, or ""."""
    more = beyond(alphas, score, 1.0, noise)
    if more is None:
        return ""
    return "lower" if more[0] < alphas.min() else "upper"


def advice_of_end(alphas: NDArray[np.float64], chosen: float, end: str) -> str:
    """Return what to change where a score improves at an end, "lower" or "upper", of a grid.

    "" where there is no such end, or the chosen penalty lies inside of the grid, as a rule such as
    "1se" may choose.
    """
    if end == "lower" and chosen <= alphas.min():
        return "a smaller eps, or smaller alphas"
    return "larger alphas" if end == "upper" and chosen >= alphas.max() else ""


def describe_extension(said: list[str], end: str) -> str:
    """Return the warning for an extended grid; end: where the best penalty still lies."""
    where = " and ".join(dict.fromkeys(text.split()[0] for text in said))
    message = (
        f"the best penalty is at the {where} end of the grid, which was extended"
        + " and".join(" from" + text.split("from", 1)[1] for text in said)
        + "; alphas_ is the grid that was used."
    )
    if end:
        message += f" The best penalty is still at the {end} end, where the score improves."
    return message


def warn_without_scores(score: NDArray[np.float64]) -> None:
    """Warn where every score is NaN."""
    if np.isnan(score).all():
        warnings.warn(
            "scoring returned NaN for every penalty, so that the first penalty of the grid is"
            " chosen; expected finite scores.",
            UserWarning,
            stacklevel=outside(),
        )


def spread(
    values: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the standard error of the weighted mean over the first axis; NaN for one value.

    sqrt(k / (k - 1) * sum_i (v_i (x_i - mean))^2) with weights v of sum 1, k of them positive.
    """
    k = len(values) if weight is None else int((weight > 0).sum())
    if k < 2:
        return np.full(values.shape[1:], np.nan)
    # scores may be infinite
    with np.errstate(invalid="ignore"):
        if weight is None:
            return values.std(axis=0, ddof=1) / np.sqrt(k)
        v = weight / weight.sum()
        mean = np.tensordot(v, values, axes=1)
        return np.sqrt(k / (k - 1) * np.tensordot(v**2, (values - mean) ** 2, axes=1))
