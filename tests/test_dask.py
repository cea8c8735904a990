"""Collections of Dask are fitted as the rows they hold are, on any of its schedulers."""

import contextlib
import gc
import os
import pickle
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.sparse

import fastridge
from fastridge.distributed import dask_parts
from fastridge.model_selection import HashedKFold

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

N, P = 500, 6
ALPHAS = np.logspace(-2, 3, 10)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)) + 10.0 * rng.standard_normal(P)
    y = X @ rng.standard_normal(P) + rng.standard_normal(N)
    return X, y, rng.random(N)


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads"):
        yield


def lazy(values, chunks=60):
    return da.from_array(values, chunks=(chunks, *values.shape[1:]))


def labels(y):
    noise = np.random.default_rng(1).standard_normal(len(y))
    return np.where(y - y.mean() + 2.0 * noise > 0, "up", "down")


def models():
    yield "numbers", fastridge.Ridge(2.0)
    yield "numbers", fastridge.RidgeCV(ALPHAS, cv=5)
    yield "numbers", fastridge.ElasticNet(0.1)
    yield "numbers", fastridge.BayesianRidge()
    yield "labels", fastridge.RidgeClassifier()
    yield "labels", fastridge.LogisticRegression(tol=1e-8)
    yield "counts", fastridge.PoissonRegressor(tol=1e-8)
    yield "counts", fastridge.PoissonRegressor(tol=1e-8, warm_start="sample")


def target(kind, y):
    if kind == "labels":
        return labels(y)
    scaled = (y - y.mean()) / y.std()
    return np.floor(np.exp(scaled)) if kind == "counts" else y


def close(a, b, tol):
    assert np.abs(a - b).max() <= tol * np.abs(a).max()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "model"), list(models()))
def test_arrays(rows, kind, model):
    X, y, s = rows
    t = target(kind, y)
    local = type(model)(**model.get_params())
    if getattr(local, "warm_start", False):
        local.set_params(warm_start=False)
    local.fit(X, t, s)
    model.fit(lazy(X), lazy(t), lazy(s, 90))
    close(local.coef_, model.coef_, 1e-7 if hasattr(local, "relative_gap_") else 1e-10)
    assert model.n_passes_ <= 9
    assert model.score(lazy(X), lazy(t), lazy(s)) == pytest.approx(local.score(X, t, s), rel=1e-7)
    for name in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, name):
            expected, found = getattr(model, name)(X), getattr(model, name)(lazy(X))
            assert isinstance(found, da.Array)
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert (found.compute() == expected).all()


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [1, 7, 60, 499, 500])
def test_chunks_do_not_matter(rows, chunks):
    X, y, s = rows
    for model in (fastridge.Ridge(2.0), fastridge.RidgeCV(ALPHAS, cv=3)):
        local = type(model)(**model.get_params()).fit(X, y, s)
        model.fit(lazy(X, chunks), lazy(y, chunks), lazy(s, chunks))
        close(local.coef_, model.coef_, 1e-10)
        assert model.n_passes_ == 1


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_frames_of_unknown_lengths(rows):
    pd = pytest.importorskip("pandas")
    X, y, _ = rows
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(P)]).assign(y=y)
    parts = dd.from_pandas(frame, npartitions=7)
    # lengths are not known any more, and one part is empty
    low = frame["c0"].quantile(0.3)
    parts = parts[(parts["c0"] > low) & ~parts["c1"].between(*frame["c1"].iloc[[0, 0]])]
    kept = frame[(frame["c0"] > low) & ~frame["c1"].between(*frame["c1"].iloc[[0, 0]])]
    X, y = parts.drop(columns="y"), parts["y"]
    for model, passes in ((fastridge.Ridge(), 1), (fastridge.RidgeCV(ALPHAS, cv=4), 2)):
        local = type(model)(**model.get_params()).fit(kept.drop(columns="y"), kept["y"])
        model.fit(X, y)
        close(local.coef_, model.coef_, 1e-10)
        assert model.n_passes_ == passes
        assert model.feature_names_in_.tolist() == [f"c{j}" for j in range(P)]
        found = model.predict(X).compute()
        assert found == pytest.approx(local.predict(kept.drop(columns="y")))
    with pytest.raises(TypeError, match="lengths of the partitions of X are not known"):
        fastridge.Ridge().fit(X, kept["y"].to_numpy())


def test_sparse_partitions(rows):
    X, y, s = rows
    X = scipy.sparse.csr_array(np.where(np.abs(X) > 8, X, 0.0))
    parts = [dask.delayed((X[i : i + 90], y[i : i + 90], s[i : i + 90])) for i in range(0, N, 90)]
    close(fastridge.Ridge().fit(X, y, s).coef_, fastridge.Ridge().fit(parts).coef_, 1e-10)
    blocks = [
        da.from_delayed(dask.delayed(X[i : i + 100]), (100, P), meta=X[:0])
        for i in range(0, N, 100)
    ]
    found = fastridge.Ridge().fit(da.concatenate(blocks), lazy(y, 100), lazy(s, 100))
    close(fastridge.Ridge().fit(X, y, s).coef_, found.coef_, 1e-10)


def test_groups(rows):
    X, y, _ = rows
    groups = np.random.default_rng(3).integers(0, 12, N)
    local = fastridge.RidgeCV(ALPHAS, cv=4).fit(X, y, groups=groups)
    found = fastridge.RidgeCV(ALPHAS, cv=4).fit(lazy(X), lazy(y), groups=lazy(groups))
    close(local.cv_results_["validation_error"], found.cv_results_["validation_error"], 1e-9)


def test_streams(rows):
    X, y, _ = rows
    whole = fastridge.SGDClassifier().partial_fit(X, labels(y), ["down", "up"])
    parts = fastridge.SGDClassifier()
    parts.partial_fit(lazy(X), lazy(labels(y)), ["down", "up"])
    assert (whole.coef_ == parts.coef_).all()


def test_columns_in_chunks_are_merged_with_a_warning(rows):
    X, y, _ = rows
    with pytest.warns(UserWarning, match="columns in 3 chunks, which are merged"):
        found = fastridge.Ridge().fit(da.from_array(X, chunks=(100, 2)), lazy(y))
    close(fastridge.Ridge().fit(X, y).coef_, found.coef_, 1e-12)


def test_errors(rows):
    pd = pytest.importorskip("pandas")
    X, y, s = rows
    bad = y.copy()
    bad[200] = np.nan
    model = fastridge.Ridge()
    for arguments, message in (
        ((lazy(X), lazy(bad)), r"part 3: Input y contains NaN, at position 20"),
        ((lazy(X), y[:-1]), r"y has 499 rows, but X has 500"),
        ((lazy(X), lazy(y), -s), r"part \d: sample_weight"),
        ((lazy(X)[:, 0], lazy(y)), r"X has 1 dimensions; expected 2"),
        (([dask.delayed((X, y))], y), r"y is given together with a list of partitions"),
        (([dask.delayed(X)],), r"part 0 is a ndarray; expected \(X, y"),
        (([dask.delayed((X, y, s, s))],), r"part 0 has 4 elements; expected \(X, y"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(*arguments)
    ends = [(slice(i, i + 50), P - (i == 450)) for i in range(0, N, 50)]
    narrow = [dask.delayed((X[rows, :width], np.abs(y[rows]))) for rows, width in ends]
    for fitted in (fastridge.Ridge(), fastridge.PoissonRegressor()):
        with pytest.raises(ValueError, match=r"part 9: .*5"):
            fitted.fit(narrow)
    some = [dask.delayed((X[:90], np.abs(y[:90]), s[:90])), dask.delayed((X[90:], np.abs(y[90:])))]
    for fitted in (fastridge.Ridge(), fastridge.PoissonRegressor()):
        with pytest.raises(ValueError, match="part 1: sample_weight is None, but the parts before"):
            fitted.fit(some)
    fitted = fastridge.Ridge().fit(X, y)
    alone = fitted.predict([dask.delayed(X[:60]), dask.delayed((X[60:], y[60:]))])
    assert (alone.compute() == fitted.predict(X)).all()
    with pytest.raises(ValueError, match=r"part 3: .*NaN"):
        fitted.predict(lazy(np.where(np.arange(N)[:, None] == 200, np.nan, X))).compute()
    unknown = lazy(X)[lazy(X)[:, 0] > -1e9]
    with pytest.raises(ValueError, match="y has 3 partitions, but X has 9"):
        model.fit(unknown, lazy(y, 200))
    wide = da.zeros((10, 300_000), chunks=(5, 300_000))
    with pytest.raises(ValueError, match="X has 300000 columns, but the memory allowed"):
        fastridge.BayesianRidge().fit(wide, da.zeros(10, chunks=5))
    assert not hasattr(model, "coef_")
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    with pytest.raises(ValueError, match=r"X has 1 dimensions; expected 2"):
        model.fit(frame[0], lazy(y))
    with pytest.raises(TypeError, match="X is one delayed value; expected a list of delayed"):
        model.fit(dask.delayed((X, y)), lazy(y))
    with pytest.raises(TypeError, match=r"X is data in parts, which SGDRegressor.fit"):
        fastridge.SGDRegressor().fit(lazy(X), lazy(y))


@contextlib.contextmanager
def two_workers():
    distributed = pytest.importorskip("distributed")
    options = {"processes": True, "dashboard_address": None, "silence_logs": 50}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def cluster():
    with two_workers() as client:
        yield client


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_the_same_bits(rows, cluster):
    X, y, s = rows
    for kind, model in models():
        t = target(kind, y)
        threads = type(model)(**model.get_params()).fit(lazy(X), lazy(t), lazy(s))
        with dask.config.set(scheduler=cluster):
            model.fit(lazy(X), lazy(t), lazy(s))
            assert (model.coef_ == threads.coef_).all()
            held = dask.persist(lazy(X), lazy(t), lazy(s))
            assert (model.fit(*held).coef_ == threads.coef_).all()
            assert (model.predict(held[0]).compute() == model.predict(X)).all()
            wide = type(model)(**model.get_params())
            if isinstance(model, fastridge.Ridge):
                wide.set_params(max_memory=100.0, tol=1e-10)
                close(threads.coef_, wide.fit(lazy(X), lazy(t), lazy(s)).coef_, 1e-8)
                assert wide.solver_ == "cg"
            assert (model.predict(lazy(X)).compute() == model.predict(X)).all()


@pytest.fixture
def tasks(monkeypatch):
    """The numbers of parts of the tasks of each pass."""
    seen = []
    run = dask_parts.DaskParts._sum

    def noted(self, *arguments):
        found = run(self, *arguments)
        seen.append(self._step)
        return found

    monkeypatch.setattr(dask_parts.DaskParts, "_sum", noted)
    return seen


@pytest.mark.slow
def test_parts_that_share_a_task_change_no_bit(rows, monkeypatch):
    X, y, s = rows
    for n in (5, 11, 30):
        for model in (fastridge.RidgeCV(ALPHAS, cv=3), fastridge.Ridge(max_memory=100.0)):
            found = []
            # tasks of a part, of 4 and of all
            for least in (1000, 1, 0):
                monkeypatch.setattr(dask_parts, "_TASKS", least)
                if not least:
                    monkeypatch.setattr(dask_parts.DaskParts, "_together", lambda *_: 256)
                found.append(model.fit(lazy(X, n), lazy(y, n), lazy(s, n)).coef_.copy())
                monkeypatch.undo()
            assert (found[0] == found[1]).all()
            assert (found[0] == found[2]).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_small_persisted_partitions_are_held_together(rows, cluster, tasks, monkeypatch):
    # what a timer of the client leaves at times
    monkeypatch.setattr(type(cluster), "scheduler_info", lambda *_, **__: {"workers": {}})
    X, y, s = rows
    X, y, s, t = X[:200], y[:200], s[:200], target("labels", y)[:200]
    blocks = [(X[i : i + 5], t[i : i + 5], s[i : i + 5]) for i in range(0, 200, 5)]
    for warm_start in (False, "sample"):
        model = fastridge.LogisticRegression(tol=1e-2, warm_start=warm_start)
        threads = model.fit([dask.delayed(block) for block in blocks]).coef_.copy()
        assert set(tasks) == {1}
        tasks.clear()
        with dask.config.set(scheduler=cluster):
            parts = cluster.persist([dask.delayed(block) for block in blocks])
            assert (model.fit(parts).coef_ == threads).all()
            assert set(tasks) == {4}
            tasks.clear()
            # partitions that are read anew may be too large to be held
            assert (model.fit([dask.delayed(block) for block in blocks]).coef_ == threads).all()
            assert set(tasks) == {1}
            tasks.clear()
            held = dask.persist(lazy(X, 5), lazy(t, 5), lazy(s, 5))
            assert (model.fit(*held).coef_ == threads).all()
            assert set(tasks) == {4}
            tasks.clear()
    cut = [slice(i, i + 5) for i in range(0, 200, 5)]
    sparse = [(scipy.sparse.csr_array(X[rows]), y[rows], s[rows]) for rows in cut]
    wide = fastridge.Ridge(max_memory=100.0, tol=1e-3)
    threads = wide.fit([dask.delayed(block) for block in sparse]).coef_.copy()
    with dask.config.set(scheduler=cluster):
        parts = cluster.persist([dask.delayed(block) for block in sparse])
        assert (wide.fit(parts).coef_ == threads).all()
    bad = [*blocks[:31], (X[155:160, :2], t[155:160], s[155:160]), *blocks[32:]]
    with dask.config.set(scheduler=cluster), pytest.raises(ValueError, match="part 31: X has 2"):
        model.fit(cluster.persist([dask.delayed(block) for block in bad]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_searches_on_a_cluster_give_the_same_bits(rows, cluster):
    X, y, s = rows
    options = {"Cs": [0.1, 1.0], "l1_ratios": [0.0], "use_legacy_attributes": False}
    for kind, model in (
        ("numbers", fastridge.RidgeCV(ALPHAS)),
        ("labels", fastridge.RidgeClassifierCV(ALPHAS, cv=3)),
        ("counts", fastridge.GLMCV(alphas=[0.1, 1.0], cv=HashedKFold(2))),
        ("labels", fastridge.LogisticRegressionCV(cv=3, scoring="accuracy", **options)),
    ):
        t = target(kind, y)
        threads = type(model)(**model.get_params()).fit(lazy(X), lazy(t), lazy(s))
        with dask.config.set(scheduler=cluster):
            model.fit(lazy(X), lazy(t), lazy(s))
        assert (model.coef_ == threads.coef_).all()
        assert (model.cv_results_["score"] == threads.cv_results_["score"]).all()
        local = type(model)(**model.get_params()).fit(X, t, s)
        close(local.cv_results_["score"], model.cv_results_["score"], 1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_warning_of_large_graphs(rows, cluster):
    X, y, _ = rows
    with (
        dask.config.set(
            {"scheduler": cluster, "distributed.admin.large-graph-warning-threshold": 1}
        ),
        warnings.catch_warnings(),
    ):
        parts = cluster.persist(
            [dask.delayed((X[:250], y[:250])), dask.delayed((X[250:], y[250:]))]
        )
        warnings.filterwarnings("error", message="Sending large graph")
        fastridge.Ridge().fit(parts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("search", [False, True])
def test_ctrl_c_cancels_the_tasks(rows, cluster, search):
    X, y, _ = rows

    def slowly(block):
        time.sleep(0.8)
        return block

    def left(dask_scheduler):
        return len(dask_scheduler.tasks)

    model = fastridge.PoissonRegressor()
    if search:
        model = fastridge.GLMCV(alphas=[0.1, 1.0], cv=2)
    threads = threading.active_count()
    gc.collect()
    before = cluster.run_on_scheduler(left)
    with dask.config.set(scheduler=cluster):
        parts = lazy(X, 20).map_blocks(slowly, dtype=X.dtype, meta=X[:0])
        # a signal to another thread would not wake this one
        own = threading.get_ident()
        timer = threading.Timer(0.5, signal.pthread_kill, (own, signal.SIGINT))
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            model.fit(parts, lazy(target("counts", y), 20))
        # all parts take 10 s on two workers
        assert time.monotonic() - start < 4.0
        timer.join()
        for _ in range(300):
            if cluster.run_on_scheduler(left) <= before:
                break
            time.sleep(0.1)
        assert cluster.run_on_scheduler(left) <= before
    assert not hasattr(model, "coef_")
    assert threading.active_count() <= threads + 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_dies_changes_no_bit(rows, cluster):
    X, y, _ = rows

    def slowly(block):
        time.sleep(0.2)
        return block

    expected = fastridge.RidgeCV(ALPHAS, cv=3).fit(lazy(X, 20), lazy(y, 20))
    with dask.config.set(scheduler=cluster):
        parts = lazy(X, 20).map_blocks(slowly, dtype=X.dtype, meta=X[:0])
        worker = next(iter(cluster.run(os.getpid).values()))
        killer = threading.Timer(1.0, os.kill, (worker, signal.SIGKILL))
        killer.start()
        found = fastridge.RidgeCV(ALPHAS, cv=3).fit(parts, lazy(y, 20))
        killer.join()
    assert (found.coef_ == expected.coef_).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("storage", "delay"), [("dense", 0.0), ("csr", 0.03)])
def test_a_worker_that_dies_with_held_partitions_changes_no_bit(rows, monkeypatch, storage, delay):
    X, y, s = rows
    t = labels(y).astype(object)
    kept = [slice(i, i + 5) for i in range(0, N, 5)]
    stored = scipy.sparse.csr_array(X) if storage == "csr" else X
    blocks = [(stored[rows], t[rows], s[rows]) for rows in kept]
    model = fastridge.LogisticRegression(tol=1e-8, solver="newton-cg")
    expected = model.fit([dask.delayed(block) for block in blocks]).coef_.copy()
    passes, killers, run = [], [], dask_parts.DaskParts._sum

    def deadly(self, *arguments):
        passes.append(self._step)
        if len(passes) == 4:
            assert len(workers) == 2
            killers.append(threading.Timer(delay, os.kill, (workers[0], signal.SIGKILL)))
            killers[0].start()
        return run(self, *arguments)

    monkeypatch.setattr(dask_parts.DaskParts, "_sum", deadly)
    with two_workers() as cluster, dask.config.set(scheduler=cluster):
        workers = list(cluster.run(os.getpid).values())
        parts = cluster.persist([dask.delayed(block) for block in blocks])
        model.fit(parts)
    killers[0].join()
    assert len(passes) > 5
    assert set(passes) == {4}
    assert (model.coef_ == expected).all()


def test_partitions_in_the_memory_of_a_worker_are_converted_once(rows):
    pd = pytest.importorskip("pandas")
    X, y, _ = rows
    raw = np.empty(X.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(np.float64).reshape(X.shape)
    unaligned[:] = X
    assert not unaligned.flags.aligned
    frame = pd.DataFrame({f"c{j}": X[:, j] for j in range(P)})
    sparse = scipy.sparse.csr_array(X)
    for given, is_view in ((X, True), (unaligned, False), (frame, False), (sparse, True)):
        for held, may_copy in ((True, False), (True, True), (False, True)):
            kept = dask_parts._Together(held, may_copy, [given, y])
            assert kept.part(3, 0).X is given
            first, second = kept.part(3, 0).X, kept.part(3, 0).X
            assert (first is second) == (is_view or may_copy)
            values = first.arrays[0] if given is not sparse else sparse.toarray()
            assert (values == X).all()
            # copies take the place of arrays that nobody else holds
            assert (kept.rows[0][0] is given) == (held or is_view)
            moved = pickle.loads(pickle.dumps(kept))
            assert (np.asarray(moved.part(3, 0).y) == y).all()
            assert not moved.held
    small, large = (dask_parts._Together(held, True, [X, y]).__sizeof__() for held in (True, False))
    assert small < 1000 < X.nbytes < large


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("persisted", [False, True])
def test_frames_on_a_cluster(rows, cluster, persisted):
    pd = pytest.importorskip("pandas")
    X, y, _ = rows
    # columns of several blocks, which are copied to become an array
    frame = pd.DataFrame({f"c{j}": X[:, j] for j in range(P)}).assign(y=labels(y))
    parts = dd.from_pandas(frame, npartitions=9)
    model = fastridge.LogisticRegression(tol=1e-8)
    expected = model.fit(parts.drop(columns="y"), parts["y"]).coef_.copy()
    with dask.config.set(scheduler=cluster):
        Z, t = parts.drop(columns="y"), parts["y"]
        if persisted:
            Z, t = cluster.persist([Z, t])
        model.fit(Z, t)
    assert (model.coef_ == expected).all()
    assert list(model.feature_names_in_) == list(frame.columns[:-1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_error_on_a_worker_names_the_partition(rows, cluster):
    X, y, _ = rows
    bad = X.copy()
    bad[130, 2] = np.inf
    with (
        dask.config.set(scheduler=cluster),
        pytest.raises(ValueError, match=r"part 2: .*infinity"),
    ):
        fastridge.LogisticRegression().fit(lazy(bad), lazy(labels(y)))
