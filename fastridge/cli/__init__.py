"""The command `fastridge`: fit, predict, show and report, from files."""

from .main import main

__all__ = ["main"]
