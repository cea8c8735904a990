from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

_Index: TypeAlias = NDArray[np.int32] | NDArray[np.int64]

ERRORS: dict[int, str]

def number(text: Buffer) -> float | None: ...
def next_line(text: Buffer, start: int) -> int: ...
def count_lines(text: Buffer) -> int: ...
def locate(text: Buffer, where: int) -> tuple[int, int]: ...
def count(
    text: Buffer,
    block: int,
    start: NDArray[np.intp],
    before: NDArray[np.int64],
    multilabel: bool,
    i0: int,
    i1: int,
    n_threads: int = 0,
) -> None: ...
def read(
    text: Buffer,
    start: NDArray[np.intp],
    before: NDArray[np.int64],
    i0: int,
    i1: int,
    first: int,
    last: int,
    shift: int,
    data: NDArray[np.float32] | NDArray[np.float64],
    indices: _Index,
    indptr: _Index,
    label: NDArray[np.float64],
    label_end: NDArray[np.int64] | None = None,
    query: NDArray[np.int64] | None = None,
    n_threads: int = 0,
) -> tuple[str | None, int, int | None, int, int]: ...
