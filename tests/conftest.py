"""Hypothesis draws the same examples in every run: a failure is there for everybody."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")
