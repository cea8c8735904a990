"""An interrupt ends the threads of a search within the fit that each is at."""

import threading
import time

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastridge
from fastridge._threads import Stopped, check_stop, stopped_by
from fastridge.solvers.descent.folds import run_paths


class Slow:
    """A path whose fit of a penalty takes long."""

    seconds = 0.0

    def solve(self, alphas, keep, stop):
        start = time.monotonic()
        try:
            while time.monotonic() - start < 20.0:
                check_stop()
                time.sleep(0.01)
        finally:
            self.seconds = time.monotonic() - start


class Quick:
    def solve(self, alphas, keep, stop):
        return "done"


def interrupt(position, errors):
    raise KeyboardInterrupt


def test_paths_on_threads_end_with_an_interrupt():
    slow = Slow()
    with pytest.raises(KeyboardInterrupt):
        run_paths([Quick(), slow], [None, None], False, 2, interrupt)
    assert slow.seconds < 5.0


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("multinomial", {"solver": "newton"}),
        ("multinomial", {"solver": "newton-cg"}),
        ("multinomial", {"l1_ratio": 1.0}),
        ("logistic", {"solver": "newton-cg"}),
        ("logistic", {"solver": "dual-descent"}),
        ("poisson", {"l1_ratio": 1.0}),
    ],
)
def test_fits_look_whether_they_are_stopped(loss, options):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    y = rng.integers(0, 3 if loss == "multinomial" else 2, 60)
    X = csr_array(X) if options.get("solver") == "dual-descent" else X
    event = threading.Event()
    with stopped_by(event):
        fastridge.glm(X, y, loss, alpha=0.01, **options)
        event.set()
        with pytest.raises(Stopped):
            fastridge.glm(X, y, loss, alpha=0.01, **options)
    fastridge.glm(X, y, loss, alpha=0.01, **options)
