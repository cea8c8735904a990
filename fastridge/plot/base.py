"""Plots of penalties and their effects by matplotlib, in scikit-learn's display convention.

Each display holds numbers: ``from_estimator`` computes them, and ``plot`` draws them into ``ax_``
of ``figure_``, with the legend to the right of the axes, for which figures of
``layout="constrained"`` make room. Colours are the colour-blind-safe ones of M. Okabe and K. Ito,
"Color universal design", 2008; lines differ in their dashes too.
"""

from __future__ import annotations

from typing import Any

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
CYCLE = (BLUE, ORANGE, GREEN, PINK, "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")


def axes(ax: Any) -> Any:
    """Return `ax`, or the axes of a new figure."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError(
            "Displays need matplotlib: install it with 'pip install matplotlib' or 'pip install"
            " fastridge-l2[plot]'."
        ) from None
    if ax is None:
        # "constrained" makes room for the legend beside the axes
        _, ax = pyplot.subplots(layout="constrained")
    return ax


def draw_legend(ax: Any, **options: Any) -> None:
    """Draw the legend to the right of the axes, where it hides nothing."""
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5), **options)


class Display:
    """Base of the displays; `ax_` and `figure_` exist after `plot`."""

    ax_: Any
    figure_: Any

    def _start(self, ax: Any) -> Any:
        self.ax_ = axes(ax)
        self.figure_ = self.ax_.figure
        return self.ax_
