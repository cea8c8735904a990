"""The line through the last two solutions of a path, as the start of the next."""

from __future__ import annotations

import numpy as np

# Steps on the line, over the one between the two solutions, up to which it is followed.
_FARTHEST = 1.5


class PathLine:
    """The last two solutions of a path, by their penalties.

    Between changes of the support the solutions of a lasso are linear in the penalty, those of an
    elastic net nearly so.
    """

    def __init__(self) -> None:
        self.points: list = []

    def add(self, strength, u):
        """Add the solution of a penalty."""
        live = np.flatnonzero(u)
        if self.points and np.array_equal(u[live], self.points[-1][2]):
            # where the start sufficed; its own penalty gives the slope
            return
        self.points = [*self.points[-1:], (strength, live, u[live])]

    def step(self, strength, u, l1, lower, upper):
        """Return the support of u, the last solution, and its step to another penalty, or None.

        Coefficients off the support stay zero, and those with an L1 part stop at zero.
        """
        if len(self.points) < 2:
            return None
        (first, held, values), (last, live, now) = self.points
        if len(live) == 0 or not 0 < last - strength <= _FARTHEST * (first - last):
            return None
        before = np.zeros(len(live))
        _, of_live, of_held = np.intersect1d(live, held, True, return_indices=True)
        before[of_live] = values[of_held]
        new = now + (now - before) * ((last - strength) / (first - last))
        new[(new * now < 0) & (l1[live] > 0)] = 0.0
        if lower is not None:
            np.maximum(new, lower[live], out=new)
        if upper is not None:
            np.minimum(new, upper[live], out=new)
        return live, new - now
