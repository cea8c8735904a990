"""Forks while another thread fits: the child does not inherit a held lock."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks are those of POSIX")

CHILD = """
    import faulthandler, os, sys, threading, warnings
    import numpy as np
    import fastridge as fr
    from fastridge.quadratic import spectral
    from fastridge.solvers.ridge_path import direct, folds

    # Python itself warns of forks beside threads
    warnings.simplefilter("ignore", DeprecationWarning)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    y = X[:, 0] + rng.standard_normal(60)

    def fit():
        model = fr.RidgeCV([0.0, 1.0], cv=3).fit(X, y)
        path = fr.ridge_path(X, y, [0.0, 1.0])
        return np.concatenate([model.coef_, path.coef.ravel(), path.relative_gradient])

    expected = fit()
    inside, leave = threading.Event(), threading.Event()

    def held(function):
        def hold(*args, **kwargs):
            if threading.current_thread() is other:
                inside.set()
                leave.wait()
            return function(*args, **kwargs)
        return hold

    module, name = sys.argv[1].rsplit(".", 1)
    place = eval(module)
    setattr(place, name, held(getattr(place, name)))
    other = threading.Thread(target=fit)
    other.start()
    assert inside.wait(20)
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(20, exit=True)
        os._exit(not np.array_equal(fit(), expected))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # nor does another thread of this process wait
    assert np.array_equal(fit(), expected)
    leave.set()
    other.join()
    assert status == 0, status
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [
        "folds.Moments._of_matrix",
        "direct.MomentsPath._refined",
        "direct.SumProblem.gradients",
    ],
)
def test_child_of_a_fork_during_a_fit(where):
    """The other thread is inside an attribute that is computed once."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(CHILD), where],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
