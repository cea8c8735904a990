"""Arrays that another thread resizes while they are read: NumPy refuses."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp

from fastridge import kernels, optim
from fastridge._checks import held
from fastridge.data.check import (
    check_batch,
    check_design,
    check_rows,
    check_sample_weight,
    check_target,
)
from fastridge.data.parameters import check_alpha, check_bounds, check_penalty_factor
from fastridge.data.priors import check_prior_mean

refused = pytest.raises(ValueError, match="cannot resize")


def resize(a):
    a.resize((1,) * a.ndim, refcheck=False)


@pytest.mark.parametrize(
    "a",
    [
        np.arange(6.0),
        np.arange(6.0).reshape(2, 3).copy(),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">i4"),
        np.array([True, False]),
    ],
    ids=lambda a: f"{a.dtype.str} {a.ndim} {'F' if a.flags.f_contiguous else 'C'}",
)
def test_a_view_that_holds_memory(a):
    view = held(a)
    assert view.dtype == a.dtype
    assert view.strides == a.strides
    assert view.flags.c_contiguous == a.flags.c_contiguous
    assert view.flags.f_contiguous == a.flags.f_contiguous
    assert view.flags.aligned
    assert view.flags.writeable
    assert view.ctypes.data == a.ctypes.data
    np.testing.assert_array_equal(view, a)
    for part in (view[:1], view.T, held(view), held(a[::-1])):
        del view
        view = part
        with refused:
            resize(a)
    del view, part
    resize(a)


def test_views_of_read_only_and_foreign_memory():
    a = np.ones(3)
    a.flags.writeable = False
    assert not held(a).flags.writeable
    foreign = np.frombuffer(bytearray(16))
    assert held(foreign) is foreign
    references = sys.getrefcount(np.dtype(np.float64))
    for _ in range(1000):
        held(a)
    assert sys.getrefcount(np.dtype(np.float64)) < references + 900


def csr(arrays):
    return sp.csr_array(arrays, shape=(2, 2))


DATA, INDICES, INDPTR = np.ones(2), np.array([0, 1], np.int32), np.array([0, 1, 2], np.int32)
DOORS = {
    "X": (np.ones((4, 2)), check_design),
    "X by columns": (np.ones((4, 2), "f", "F"), check_design),
    "X that is not looked at": (np.ones((4, 2)), lambda X: check_design(X, finite=False)),
    "X of a subclass": (np.ones((4, 2)), lambda X: check_design(X.view(np.matrix))),
    "rows": (np.ones((4, 2)), lambda X: check_rows(X, None, "it")),
    "data": (DATA.copy(), lambda a: check_design(csr((a, INDICES, INDPTR)))),
    "indices": (INDICES.copy(), lambda a: check_design(csr((DATA, a, INDPTR)))),
    "indptr": (INDPTR.copy(), lambda a: check_rows(csr((DATA, INDICES, a)), None, "it")),
    "y": (np.ones(4), lambda y: check_target(y, 4)),
    "several y": (np.ones((4, 2), order="F"), lambda y: check_target(y, 4)),
    "weights": (np.ones(4), lambda w: check_sample_weight(w, 4)),
    "penalty_factor": (np.ones(4), lambda f: check_penalty_factor(f, 4)),
    "alpha": (np.ones(4), lambda a: check_alpha(a, 4)),
    "bounds": (np.ones(4), lambda b: check_bounds(b, None, 4)),
    "prior_mean": (np.ones(4), lambda m: check_prior_mean(m, 1, 4)),
    "batch": (np.ones((2, 3, 1)), lambda X: check_batch(X, np.ones((2, 3)), 1.0, None)),
}


@pytest.mark.parametrize("name", DOORS)
def test_arrays_that_were_checked(name):
    given, door = DOORS[name]
    a = given.copy(order="K")
    found = door(a)
    with refused:
        resize(a)
    del found
    resize(a)


def test_arrays_of_an_optimizer():
    w, factor = np.ones(4), np.ones(4)
    optimizer = optim.Adam([{"params": [w], "penalty_factor": [factor]}], weight_decay=0.1)
    optimizer.step([np.ones(4)])
    moments = [a for a in optimizer._stepper.get_state(0) if isinstance(a, np.ndarray)]
    assert len(moments) == 2
    for a in (w, factor, *moments):
        with refused:
            resize(a)
    optimizer.load_state_dict(optimizer.state_dict())
    for a in moments:
        resize(a)
    del optimizer
    resize(w)


@pytest.mark.parametrize("n", [8, 1 << 18])
def test_gradients_are_free_after_a_step(n):
    w, g = np.zeros(n), np.ones(n)
    optimizer = optim.SGD([w], lr=1.0, on_nonfinite="raise")
    optimizer.step([g])
    optim.clip_grad_norm([g], 1e9)
    kernels.sgd_step(w, g, lr=1.0)
    assert (w == -2).all()
    resize(g)


THREADS = """
    import contextlib, sys, threading, time, warnings
    import numpy as np, scipy.sparse as sp
    import fastridge as fr
    from fastridge import kernels, optim

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    n, p = 4000, 100
    X = rng.standard_normal((n, p))
    y = X[:, 0] + rng.standard_normal(n)
    S = sp.csr_array(np.where(rng.random((n, p)) < 0.3, X, 0.0))
    w, g = np.ones(1 << 19), np.ones(1 << 19)
    optimizer = optim.SGD([w], lr=0.1, momentum=0.5)
    model = fr.Ridge().fit(X, y)
    calls = [
        lambda A: fr.ridge(A, y, 1.0, solver="cg"),
        lambda A: fr.Lasso(0.01).fit(A, y),
        lambda A: fr.Moments(A, y),
        lambda A: fr.SGDRegressor(max_iter=2, tol=None).fit(A, y),
    ]
    # predictions by a long vector of coefficients
    wide, long = np.ones((1, 1 << 20)), fr.Ridge().fit(np.eye(2), np.ones(2))
    long.coef_, long.n_features_in_ = np.ones(1 << 20), 1 << 20
    target, calls = {
        "X": (X, [*calls, lambda A: model.predict(A), lambda A: fr.rolling_ridge(A, y, window=20)]),
        "y": (y, calls),
        "coef": (long.coef_, [lambda _: long.predict(wide)]),
        "indices": (S.indices, calls),
        "gradient": (g, [
            lambda _: optimizer.step([g]),
            lambda _: kernels.sgd_step(w, g, lr=0.1),
            lambda _: optim.clip_grad_norm([g], 1.0),
        ]),
    }[sys.argv[1]]
    A = S if target is S.indices else X
    shape, counts, stop = target.shape, [0, 0], threading.Event()

    def resize():
        while not stop.is_set():
            try:
                target.resize((1,) * len(shape), refcheck=False)
                counts[0] += 1
                time.sleep(0)
                target.resize(shape, refcheck=False)
            except ValueError:
                counts[1] += 1
            time.sleep(0.001)

    other = threading.Thread(target=resize)
    other.start()
    begun = time.process_time()
    try:
        while time.process_time() < begun + 4 and counts[1] < 30:
            for call in calls:
                with contextlib.suppress(ValueError, IndexError):
                    # resized before the call, or between its checks
                    call(A)
    finally:
        stop.set()
        other.join()
    assert counts[1] > 0, counts
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["X", "y", "coef", "indices", "gradient"])
def test_another_thread_resizes_what_is_read(name):
    """Without the views that hold memory, this ends in a segmentation fault."""
    found = subprocess.run(
        [sys.executable, "-P", "-X", "faulthandler", "-c", textwrap.dedent(THREADS), name],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
