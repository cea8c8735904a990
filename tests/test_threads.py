"""Threads, forks, interrupts, and environment variables."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from storages import stored

import fastridge
from fastridge import _cpu
from fastridge.data.check import check_design

posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks are those of POSIX")


def run(script, *args, timeout=60, check=True, cwd=None, flags=(), **environment):
    """Run a script in a fresh process, warnings being errors, with variables set.

    The folder it runs in is not searched for modules, unless `cwd` names it.
    """
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("FASTRIDGE_", "OMP_"))}
    return subprocess.run(
        [sys.executable, *flags, *([] if cwd else ["-P"]), "-W", "error", "-c",
         textwrap.dedent(script), *args],
        env=environ | environment, capture_output=True, text=True, timeout=timeout, check=check,
        cwd=cwd,
    )  # fmt: skip


@pytest.fixture
def threaded():
    """Work of any size goes to threads."""
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    yield
    _cpu.set_serial_below(before)


def data(kind, n, p):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, p))
    if kind in ("csr", "csc"):
        X *= rng.random((n, p)) < 0.1
    return stored(X, kind), rng.normal(size=(n, 2))


def same(a, b):
    return (
        np.array_equal(a.coef, b.coef)
        and np.array_equal(a.intercept, b.intercept)
        and np.array_equal(a.objective, b.objective)
    )


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize(("n", "p"), [(3000, 60), (60, 3000)])
@pytest.mark.parametrize("solver", ["auto", "cg"])
@pytest.mark.slow
def test_fits_at_once_and_fits_alone_give_the_same_bits(kind, n, p, solver):
    X, y = data(kind, n, p)
    alphas = [0.1, 1.0, 10.0, 100.0] * 3
    with fastridge.num_threads(1):
        alone = [fastridge.ridge(X, y, a, solver=solver) for a in alphas[:4]] * 3

    def fit(a):
        with fastridge.num_threads(1 + int(a) % 3):
            return fastridge.ridge(X, y, a, solver=solver)

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(fit, alphas))
    assert all(same(a, b) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
def test_one_matrix_in_many_threads(kind, threaded):
    # a threaded scatter keeps its cuts with the matrix, and they depend on the number of threads
    X, _ = data(kind, 700, 900)
    A = check_design(X).centered(np.arange(900.0))
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=700), rng.normal(size=900)
    results = {"dot": A.dot(v, n_threads=1), "tdot": A.tdot(u, n_threads=1)}

    def multiply(i):
        t = 1 + i % 4
        return np.array_equal(A.dot(v, n_threads=t), results["dot"]) and np.array_equal(
            A.tdot(u, n_threads=t), results["tdot"]
        )

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(multiply, range(60)))


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize(
    ("solver", "n", "p"),
    [("cholesky", 900, 40), ("cg", 900, 40), ("qr", 900, 40), ("lbfgs", 900, 40),
     ("cholesky", 40, 300), ("dual", 40, 300), ("cg", 40, 300)],
)  # fmt: skip
def test_same_bits_for_any_number_of_threads(kind, solver, n, p, threaded):
    X, y = data(kind, n, p)
    results = []
    for t in (1, 2, 3, 7):
        with fastridge.num_threads(t):
            results.append(
                fastridge.ridge(X, y, 3.0, solver=solver, positive=solver == "lbfgs",
                                sample_weight=np.arange(1.0, n + 1), standardize=True)
            )  # fmt: skip
    assert all(same(results[0], r) for r in results[1:])


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize(("n", "p"), [(5000, 7), (900, 40), (900, 300)])
@pytest.mark.parametrize("is_large", [False, True])
def test_same_bits_of_newton_steps(kind, n, p, is_large, threaded, monkeypatch):
    # parts of the rows have sums of their own; large data also end by dual points
    if is_large:
        monkeypatch.setattr("fastridge.solvers.glm.newton._ENDED", -1)
    X, y = data(kind, n, p)
    y = (y[:, 0] > 0) * 1.0
    weight, offset = np.arange(1.0, n + 1), np.linspace(-1.0, 1.0, n)
    results = []
    for t in (1, 2, 3, 7):
        with fastridge.num_threads(t):
            results.append(
                fastridge.glm(X, y, "logistic", 1e-2, solver="newton", sample_weight=weight,
                              offset=offset)
            )  # fmt: skip
    assert all(same(results[0], r) for r in results[1:])
    whole = X.toarray() if kind.startswith("cs") else X
    exact = fastridge.glm(
        np.ascontiguousarray(whole, dtype=float), y, "logistic", 1e-2, solver="newton-cg",
        tol=1e-7, sample_weight=weight, offset=offset,
    )  # fmt: skip
    first = results[0]
    assert first.converged
    assert -1e-13 <= first.objective - exact.objective <= first.dual_gap + 1e-13


def test_kernels_release_the_lock():
    """Another thread keeps running while a kernel runs."""
    A = check_design(np.ones((3000, 1500)))
    count, stop = 0, threading.Event()

    def tick():
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        time.sleep(0.01)
        before, start = count, time.perf_counter()
        with fastridge.num_threads(1):
            A.gram()
        seen, took = count - before, time.perf_counter() - start
    finally:
        stop.set()
        thread.join()
    # a tick takes a little over 1 ms where there is a processor for it; a tenth of that will do
    assert seen >= took / 0.001 / 10


FORK = """
    import faulthandler, os, sys, threading, warnings
    import numpy as np
    import fastridge
    from fastridge import _cpu
    from fastridge.data.check import check_design

    # Python itself warns of forks beside threads
    warnings.simplefilter("ignore", DeprecationWarning)
    _cpu.set_serial_below(0)
    fastridge.set_num_threads(3)
    X = np.random.default_rng(0).normal(size=(3000, 100))
    y = X[:, 0]
    A = check_design(X)
    coef, gram = fastridge.ridge(X, y).coef, A.gram()
    stop = threading.Event()

    def work():
        while not stop.is_set():
            A.gram()

    others = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]
    for other in others:
        other.start()
    for _ in range(5):
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            good = np.array_equal(A.gram(n_threads=4), gram)
            good &= np.array_equal(fastridge.ridge(X, y).coef, coef)
            good &= fastridge.get_num_threads() == 1
            if os.fork() == 0:
                os._exit(not np.array_equal(A.gram(), gram))
            good &= os.waitstatus_to_exitcode(os.wait()[1]) == 0
            os._exit(not good)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    for other in others:
        other.join()
    # and the parent goes on with its threads
    assert fastridge.get_num_threads() == 3
    assert np.array_equal(A.gram(), gram)
"""


@pytest.mark.slow
@posix
@pytest.mark.parametrize("busy", [0, 2], ids=["idle", "busy"])
def test_fork_after_threads(busy):
    """A child computes the same on one thread, also where others were at work in its parent."""
    run(FORK, str(busy), timeout=100)


# Each of these calls takes long with the plainest kernels, on one thread or two, and is made again
# and again.
LONG = {
    "gram": "A = check_design(np.ones((20_000, 1000), dtype=np.float32)); f = A.gram",
    "gram of few columns": "A = check_design(np.ones((700_000, 96), np.float32)); f = A.gram",
    "gram of rows": "A = check_design(np.ones((1000, 20_000), np.float32)); f = A.gram_rows",
    "sparse gram": """
A = check_design(sp.csr_array(np.ones((6000, 1000), np.float32)))
f = A.gram""",
    "dot": """
A = check_design(np.ones((3000, 3000), np.float32)); V = np.ones((3000, 1600), order="F")
f = lambda: A.dot(V)""",
    "tdot": """
A = check_design(np.ones((3000, 3000), np.float32)); V = np.ones((3000, 1600), order="F")
f = lambda: A.tdot(V)""",
    "sparse tdot": """
A = check_design(sp.csr_array(np.ones((1000, 2000), np.float32)))
V = np.ones((1000, 4000), order="F")
f = lambda: A.tdot(V)""",
    "cholesky": """
M = np.eye(3500)
f = lambda: Cholesky(M.copy())""",
    "ridge": """
X = np.ones((30_000, 700), np.float32); X[:700] += np.eye(700, dtype=np.float32)
f = lambda: fastridge.ridge(X, X[:, 0])""",
}
INTERRUPTED = """
import signal, sys
import numpy as np, scipy.sparse as sp
import fastridge
from fastridge._dense import Cholesky
from fastridge.data.check import check_design

# a shell that runs this in the background has it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
{make}
print("ready", flush=True)
while True:
    f()
"""


def interrupt(name, n_threads, after):
    """Seconds from a signal to the end of the process, and its traceback."""
    environ = os.environ | {"FASTRIDGE_ISA": "plain", "FASTRIDGE_NUM_THREADS": str(n_threads)}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", INTERRUPTED.format(make=LONG[name])], env=environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            time.sleep(after)
            assert process.poll() is None
            start = time.perf_counter()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            return time.perf_counter() - start, errors
        finally:
            process.kill()


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("name", "n_threads"), [("gram", 1), *((name, 1 + i % 2) for i, name in enumerate(LONG, 1))]
)
def test_interrupt(name, n_threads):
    # a signal that comes in the last 0.1 s of a call is seen after it, so its time is varied
    for after in (0.3, 0.37, 0.15, 0.22, 0.5):
        took, errors = interrupt(name, n_threads, after)
        assert errors.rstrip().endswith("KeyboardInterrupt")
        # kernels check every 0.1 s; the rest allows for busy machines and the end of the process
        assert took < 3
        if re.search(r"in fastridge\._(matrix|dense|systems)\.", errors):
            return
    raise AssertionError(f"not seen by the kernel:\n{errors}")


@pytest.mark.slow
def test_interrupt_leaves_the_library_usable():
    # an exception of a handler propagates from the kernel, and its matrix works afterwards
    script = """
        import signal
        import numpy as np
        from fastridge.data.check import check_design

        class Enough(Exception):
            pass

        def enough(*_):
            raise Enough

        A = check_design(np.ones((20_000, 1000), np.float32))
        u = np.ones(20_000)
        before = A.tdot(u)
        signal.signal(signal.SIGALRM, enough)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            while True:
                A.gram()
        except Enough:
            pass
        assert np.array_equal(A.tdot(u), before)
    """
    if hasattr(signal, "SIGALRM"):
        run(script, FASTRIDGE_ISA="plain")


@pytest.fixture
def count():
    """The number of threads of the process, restored."""
    before = fastridge.get_num_threads()
    yield before
    fastridge.set_num_threads(before)


def test_number_of_threads(count):
    fastridge.set_num_threads(3)
    assert fastridge.get_num_threads() == 3
    with fastridge.num_threads(2):
        assert fastridge.get_num_threads() == 2
        with fastridge.num_threads(np.int64(5)):
            assert fastridge.get_num_threads() == 5
        assert fastridge.get_num_threads() == 2
        with ThreadPoolExecutor(1) as pool:  # of this thread alone
            assert pool.submit(fastridge.get_num_threads).result() == 3
    with pytest.raises(KeyError), fastridge.num_threads(1):
        raise KeyError
    assert fastridge.get_num_threads() == 3


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "n must be at least 1; got 0"),
        (-2, ValueError, "n must be at least 1; got -2"),
        (1.0, TypeError, r"n must be an integer; got 1\.0"),
        ("2", TypeError, "n must be an integer; got '2'"),
        (None, TypeError, "n must be an integer; got None"),
        (True, TypeError, "n must be an integer; got True"),
    ],
)
def test_numbers_of_threads_that_are_refused(n, error, message, count):
    with pytest.raises(error, match=message):
        fastridge.set_num_threads(n)
    with pytest.raises(error, match=message), fastridge.num_threads(n):
        pass
    assert fastridge.get_num_threads() == count


@pytest.mark.parametrize("n", [257, 10**9, 10**30])
@pytest.mark.slow
def test_there_is_a_most(n, count):
    fastridge.set_num_threads(n)
    assert fastridge.get_num_threads() == 256
    fastridge.set_num_threads(1)
    with fastridge.num_threads(n):
        assert fastridge.get_num_threads() == 256
    assert int(run(COUNT, FASTRIDGE_NUM_THREADS=str(n)).stdout) == 256


COUNT = "import fastridge; print(fastridge.get_num_threads())"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FASTRIDGE_NUM_THREADS": "5"}, 5),
        ({"FASTRIDGE_NUM_THREADS": "5", "OMP_NUM_THREADS": "3"}, 5),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3,2"}, 3),
        ({"FASTRIDGE_NUM_THREADS": ""}, None),
    ],
)
@pytest.mark.slow
def test_environment_sets_the_number_of_threads(environment, expected):
    processors = getattr(os, "process_cpu_count", None)
    if expected is None:
        affinity = getattr(os, "sched_getaffinity", None)
        expected = len(affinity(0)) if affinity else (processors or os.cpu_count)()
    assert int(run(COUNT, **environment).stdout) == expected


@pytest.mark.parametrize("name", ["FASTRIDGE_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
@pytest.mark.slow
def test_numbers_in_the_environment_that_are_refused(name, value):
    result = run(COUNT, check=False, **{name: value})
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    message = f"environment variable {name} must be a positive integer; got '{value}'"
    assert last == f"ValueError: {message}"


ISA = "from fastridge import _cpu; print(_cpu.get_instruction_set())"


@pytest.mark.parametrize("name", _cpu.instruction_sets())
@pytest.mark.slow
def test_environment_sets_the_instruction_set(name):
    assert run(ISA, FASTRIDGE_ISA=name).stdout.strip() == name


def test_the_widest_instruction_set_is_the_default():
    assert run(ISA).stdout.strip() == _cpu.instruction_sets()[-1]


def test_instruction_set_that_is_refused():
    result = run(ISA, check=False, FASTRIDGE_ISA="mmx")
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ImportError: FASTRIDGE_ISA: ")
    assert "plain, baseline" in last
    assert "got 'mmx'" in last


def test_denormals_survive():
    """No kernel, and no library that was linked, turns flush-to-zero on, in any thread."""
    script = """
        import threading
        import numpy as np
        import fastridge
        from fastridge import _cpu

        def check():
            x = np.array([2.0**-1070])
            assert x[0] / 2 == 2.0**-1071 and (x * 0.5)[0] == 2.0**-1071
            assert float(x[0]) * 0.5 != 0

        check()
        _cpu.set_serial_below(0)
        X = np.random.default_rng(0).normal(size=(2000, 50))
        for isa in _cpu.instruction_sets():
            _cpu.set_instruction_set(isa)
            with fastridge.num_threads(2):
                fastridge.ridge(X, X[:, 0])
            check()
        thread = threading.Thread(target=check)
        thread.start()
        thread.join()
        # inside the kernels too
        from fastridge.data.check import check_design
        A = check_design(np.full((3000, 40), 2.0**-1070))
        for isa in _cpu.instruction_sets():
            _cpu.set_instruction_set(isa)
            assert (A.dot(np.full(40, 0.5), n_threads=2) == 40 * 2.0**-1071).all()
    """
    run(script)


@pytest.mark.slow
def test_tree_that_is_not_built(tmp_path):
    package = Path(fastridge.__file__).parent
    shutil.copytree(
        package, tmp_path / "fastridge", ignore=lambda _, names: {
            n for n in names if n.endswith((".so", ".pyd", ".dylib", ".pyi")) or n == "__pycache__"
        },
    )  # fmt: skip
    # without the hooks of site, which would find an editable installation first
    script = f"import sys; sys.path.append({str(Path(np.__file__).parents[1])!r}); import fastridge"
    result = run(script, check=False, cwd=tmp_path, flags=["-S"])
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ImportError: fastridge is not built here: install it with 'pip")
    assert "During handling" not in result.stderr
