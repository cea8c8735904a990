"""An interactive page about a penalty, in one HTML file, on the user's own data."""

from .make import Report, report

__all__ = ["Report", "report"]
