"""The door of data in parts."""

from __future__ import annotations

from typing import Any

from ..data.parts import Parts, argument, is_lazy


def parts_of(X: Any, **given: Any) -> Parts:
    """Return data as parts; given: y, weight, offset, exposure and groups."""
    if isinstance(X, Parts):
        for name, values in given.items():
            if values is not None:
                raise ValueError(
                    f"{argument(name)} is given together with Chunks; expected it inside the"
                    " chunks."
                )
        return X
    if is_lazy(X):
        from .dask_parts import dask_parts

        return dask_parts(X, given)
    raise TypeError(f"X is a {type(X).__name__}; expected Chunks or a Dask collection.")
