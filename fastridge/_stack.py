"""The place in the user's code that a warning names."""

from __future__ import annotations

import sys

# decorators such as np.errstate put frames between those of fastridge
_THROUGH = ("fastridge", "numpy", "contextlib")


def outside() -> int:
    """Return the stack level of the first frame outside fastridge, for `warnings.warn`.

    Examples
    --------
    >>> import warnings
    >>> import fastridge
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = fastridge.LassoCV(max_iter=1, cv=2).fit([[0.0], [1], [2], [4]], [0, 1, 2, 2])
    >>> [warning.filename for warning in caught if "fastridge" in warning.filename]
    []
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _THROUGH:
        level, frame = level + 1, frame.f_back
    return level
