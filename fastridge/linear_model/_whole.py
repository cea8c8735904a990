"""Fits that raise leave their estimator as it was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .._locks import LOCK

F = TypeVar("F", bound=Callable[..., Any])


def whole(fit: F) -> F:
    """Decorate a fit: where it raises, the attributes of an earlier fit stay as they were.

    A search that raises leaves the results of its finished folds in ``_finished_folds``: they are
    then `cv_results_`, the only fitted attribute.
    """

    @functools.wraps(fit)
    def guarded(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        before = self.__dict__.copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            now = self.__dict__
            if LOCK in now:
                before[LOCK] = now[LOCK]
            if "_finished_folds" in now:
                for name in [n for n in before if n.endswith("_") and not n.startswith("_")]:
                    del before[name]
                before["cv_results_"] = now["_finished_folds"]
            # one step, which no signal divides
            self.__dict__ = before
            raise

    return cast(F, guarded)
