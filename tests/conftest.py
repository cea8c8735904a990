"""Make Hypothesis deterministic, so that failures are reproducible."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")
