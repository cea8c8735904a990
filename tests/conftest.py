"""Make Hypothesis deterministic, threads few where processes are many, and the quick run thin."""

import gc
import os
import signal
from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")

# a test of at least MANY cases runs each EVERY-th without the slow ones: a prime, so that the
# values of every parameter have their turn
MANY, EVERY = 14, 7


def pytest_configure(config):
    # a shell without job control starts what runs in the background with Ctrl-C ignored
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # next to a process for each processor, more threads only wait for one another
    if getattr(config.option, "numprocesses", None):
        for name in ("FASTRIDGE_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    tests = [item.nodeid.partition("[")[0] for item in items]
    cases, seen = Counter(tests), Counter()
    for item, test in zip(items, tests, strict=True):
        if cases[test] >= MANY and seen[test] % EVERY:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.more)
        seen[test] += 1


def pytest_collection_finish():
    # thousands of tests and all libraries stay: no collection of garbage need look at them
    gc.freeze()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
