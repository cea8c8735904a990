"""Memory that OpenBLAS keeps for its calls, taken where a lack of it is an exception.

OpenBLAS, bundled with the wheels of NumPy and SciPy, maps a buffer at its first call, one for each
thread that calls it at the same time, and keeps it. Where it cannot, it ends the process.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

_BUFFER = 33 << 20  # bytes of a buffer, and of its alignment


def take(cholesky: Callable[[Any], Any]) -> None:
    """Let a library map its first buffer, by a factor of order 1, or raise MemoryError."""
    check_room(1)
    cholesky(np.ones((1, 1)))


def check_room(count: int) -> None:
    """Raise MemoryError if the address space has no room for so many buffers."""
    # never written: mapped and returned, no page is used
    np.empty(count * _BUFFER, dtype=np.uint8)


take(np.linalg.cholesky)
