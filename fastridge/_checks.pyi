from typing import Any

import numpy as np
from numpy.typing import NDArray

def all_finite(a: NDArray[Any], n_threads: int = 0) -> bool: ...
def held(a: NDArray[Any]) -> NDArray[Any]: ...
def check_compressed(
    indices: NDArray[np.integer[Any]],
    indptr: NDArray[np.integer[Any]],
    n_minor: int,
    pointers: bool = False,
) -> int: ...
