"""Fits in child processes of every kind, on one processor, and in threads that Python abandons."""

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

posix = pytest.mark.skipif(os.name != "posix", reason="forks are those of POSIX")


def run(script, timeout=60, **environment):
    """Run a script in a fresh process, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-P", "-X", "faulthandler", "-c", textwrap.dedent(script)],
        env=os.environ | environment, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


# a file, as children import it
CHILDREN = """
import multiprocessing, sys, warnings
import numpy as np
import fastridge as fr

def fit(alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 60))
    y = X[:, 0] + rng.standard_normal(3000)
    fr.set_num_threads(2)
    return np.concatenate(
        [
            fr.ridge(X, y, alpha).coef,
            fr.RidgeCV([alpha, 9.0], cv=3).fit(X, y).coef_,
            fr.Lasso(0.1).fit(X, y).coef_,
            fr.glm(X, y > 0, "logistic", alpha=0.1).coef,
        ]
    )

if __name__ == "__main__":
    # Python itself warns of forks beside threads
    warnings.simplefilter("ignore", DeprecationWarning)
    expected = fit(1.0)
    if sys.argv[1] == "loky":
        import joblib

        found = joblib.Parallel(2, backend="loky")(joblib.delayed(fit)(1.0) for _ in "abc")
    else:
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            found = pool.map(fit, [1.0] * 3)
    assert all(np.array_equal(coef, expected) for coef in found)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", [*multiprocessing.get_all_start_methods(), "loky"])
def test_children(method, tmp_path):
    if method == "loky":
        pytest.importorskip("joblib")
    path = tmp_path / "children.py"
    path.write_text(CHILDREN)
    done = subprocess.run(
        [sys.executable, str(path), method], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        "fr.ridge(X, y, 1.0)",
        "fr.ridge(S, y, 1.0, solver='cg')",
        "fr.LassoCV(cv=3).fit(X, y)",
        "fr.SGDRegressor(tol=None, max_iter=9).fit(X, y)",
        "optimizer.step([X])",
    ],
)
def test_the_end_of_the_interpreter_while_a_daemon_thread_fits(call):
    script = f"""
        import threading, time
        import numpy as np, scipy.sparse as sp
        import fastridge as fr
        from fastridge import _cpu, optim

        _cpu.set_serial_below(0)
        fr.set_num_threads(3)
        rng = np.random.default_rng(0)
        X = rng.standard_normal((20_000, 200))
        y, S = X[:, 0] + rng.standard_normal(len(X)), sp.csr_array(X * (X > 1))
        w = np.zeros_like(X)
        optimizer = optim.AdamW([w], lr=1e-3)
        inside = threading.Event()

        def work():
            inside.set()
            while True:
                {call}

        threading.Thread(target=work, daemon=True).start()
        inside.wait()
        time.sleep(0.2)
        print("ended")
    """
    assert run(script) == "ended\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity cannot be set here")
def test_one_processor():
    """Threads that share one processor, set before the import or after, end all the same."""
    script = """
        import os
        if {before}:
            os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
        import numpy as np
        import fastridge as fr
        from fastridge import _cpu

        assert not {before} or fr.get_num_threads() == 1
        os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
        _cpu.set_serial_below(0)
        rng = np.random.default_rng(0)
        X, noise = rng.standard_normal((2000, 50)), rng.standard_normal(2000)
        expected = fr.ridge(X, X[:, 0], 1.0).coef
        for n in (1, 4, 16):
            with fr.num_threads(n):
                for _ in range(20):
                    assert np.array_equal(fr.ridge(X, X[:, 0], 1.0).coef, expected)
                fr.RidgeCV([1.0, 9.0], cv=3).fit(X, X[:, 0])
                fr.LassoCV(cv=3, alphas=[0.2, 0.1, 0.01]).fit(X, X[:, 0] + noise)
    """
    for before in (True, False):
        run(script.format(before=before), OMP_NUM_THREADS="", FASTRIDGE_NUM_THREADS="")


@pytest.mark.slow
@posix
def test_a_fork_inside_a_callback():
    """The child goes on with the fit that its parent began."""
    script = """
        import faulthandler, os, warnings
        import numpy as np
        import fastridge as fr
        from fastridge import _cpu

        warnings.simplefilter("ignore", DeprecationWarning)
        faulthandler.dump_traceback_later(50, exit=True)
        _cpu.set_serial_below(0)
        fr.set_num_threads(3)
        rng = np.random.default_rng(0)
        X = rng.standard_normal((500, 30))
        y = X[:, 0] + rng.standard_normal(500)
        children = []

        def callback(done, total):
            if done == 2 and not children:
                children.append(os.fork())

        expected = fr.elastic_net_path(X, y, alphas=6).coef
        same = np.array_equal(fr.elastic_net_path(X, y, alphas=6, callback=callback).coef, expected)
        if children == [0]:
            os._exit(not same)
        assert same
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
        model = fr.RidgeCV([1.0, 9.0], cv=3).fit(X, y)
        children.clear()
        again = fr.RidgeCV([1.0, 9.0], cv=3, callback=callback).fit(X, y)
        same = np.array_equal(again.coef_, model.coef_)
        if children == [0]:
            os._exit(not same)
        assert same
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    """
    run(script)


def test_a_fit_in_a_finalizer_at_the_end_of_the_process():
    text = """
import gc
import numpy as np
import fastridge
X = np.random.default_rng(0).standard_normal((100, 300))
y = X[:, :30].sum(axis=1)
fastridge.elastic_net(X, y, alpha=0.01)
gc.disable()
class Last:
    def __del__(self):
        print(fastridge.elastic_net(X, y, alpha=0.01).converged, flush=True)
last = Last()
last.itself = last
del last
gc.enable()
"""
    found = subprocess.run(
        [sys.executable, "-P", "-c", text], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout.strip() == "True"
