"""Make Hypothesis deterministic, and use one thread in each of several processes."""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")


def pytest_configure(config):
    # beside a process for each processor, more threads only wait for one another
    if getattr(config.option, "numprocesses", None):
        for name in ("FASTRIDGE_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
