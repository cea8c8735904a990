"""Conjugate gradients on the support of a multinomial model, with its blocks as preconditioner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._pairs import PairRows
from .softmax_problem import Array

if TYPE_CHECKING:
    from .softmax_blocks import Block, BlockModel

_MOST_TURNS = 60
_ROUGH = 1e-3  # square of the residual, over the first one, of a rough solution


class Support:
    """The second derivatives of a model by the coefficients on its support, and intercepts.

    Vectors have the coefficients of one block after the other, and the intercepts of all blocks.

    Parameters
    ----------
    model : BlockModel
    blocks : list of Block
        Blocks whose supports have been factored.
    """

    def __init__(self, model: BlockModel, blocks: list[Block]) -> None:
        self.model, self.blocks = model, blocks
        self.cuts = np.cumsum([len(block.live) for block in blocks])
        self.classes = np.array([block.c for block in blocks])
        self.l2 = np.concatenate([block.l2[block.live] for block in blocks])
        w = [np.where(block.l1 > 0, block.w, 0.0)[block.live] for block in blocks]
        # coefficients that keep their sign, and zeros for the others
        self.signed = np.concatenate([*w, np.zeros(len(blocks))])
        self.features = [block.features[block.live] for block in blocks]
        self.means = [block.means[block.live] for block in blocks]
        if model.pairs is None:
            return
        A, row = model.problem.A, np.concatenate(self.features)
        sizes = [len(block.w) for block in model.blocks]
        first = np.cumsum([0, *sizes])
        self.place = model.spots[np.concatenate([first[block.c] + block.live for block in blocks])]
        self.v = np.zeros(first[-1])
        self.one = np.repeat(self.classes, [len(part) for part in self.features])
        self.scale = np.ones(len(row)) if A.scale is None else A.scale[row]
        self.about = np.concatenate(self.means)
        if A.shift is not None:
            self.about += self.scale * A.shift[row]

    def split(self, v: Array) -> tuple[list[Array], Array]:
        """Return the parts of the blocks, and of their intercepts."""
        *parts, levels = np.split(v, self.cuts)
        return parts, levels

    def solve(self, right: Array, lack: Array, most: Array, inner: float) -> Array:
        """Return D with H D = right, up to a residual R with which a dual point lacks little.

        It lacks the sum of lack |R| and the greatest of most |R|. Where coefficients would change
        their sign, a rough solution will do.
        """
        R = right.copy()
        D, P, Z, last, first = np.zeros(len(R)), np.zeros(len(R)), np.empty(len(R)), 0.0, 0.0
        totals = np.array([block.total for block in self.blocks])
        for turn in range(_MOST_TURNS):
            left = np.abs(R)
            if float(lack @ left) + float((most * left).max()) <= inner:
                break
            (parts, levels), (outs, over) = self.split(R), self.split(Z)
            for block, r, out in zip(self.blocks, parts, outs, strict=True):
                block.precondition(r, out)
            np.divide(levels, totals, out=over)
            rz = float(R @ Z)
            first = first or rz
            if not rz > 0 or (rz <= _ROUGH * first and self._crosses(D).any()):
                break
            P = Z + (rz / last) * P if turn else Z.copy()
            last = rz
            HP = self._product(P)
            curve = float(P @ HP)
            if not curve > 0:
                break
            D += (rz / curve) * P
            R -= (rz / curve) * HP
        return D

    def _crosses(self, D: Array) -> NDArray[np.bool_]:
        return self.signed * (self.signed + D) < 0

    def held(self, D: Array, right: Array) -> Array:
        """Return the better of two shorter steps than D, on which no coefficient crosses 0.

        They are D up to the first one, and D with those that would cross it at 0.
        """
        crosses = self._crosses(D)
        if not crosses.any():
            return D
        w = self.signed[crosses]
        t = float((-w / D[crosses]).min())
        clipped = D.copy()
        clipped[crosses] = -w
        values = []
        for step in (D, clipped):
            values.append((float(right @ step), float(step @ self._product(step))))
        (slope, curve), (whole, bent) = values
        return clipped if whole - 0.5 * bent > t * slope - 0.5 * t * t * curve else t * D

    def _product(self, P: Array) -> Array:
        """Return the second derivatives times P."""
        if self.model.pairs is not None:
            return self._by_rows(self.model.pairs, P)
        model, q = self.model, self.model.problem
        parts, levels = self.split(P)
        T = np.zeros((q.n, q.k), order="F")
        each = list(zip(self.classes, self.features, self.means, strict=True))
        for (c, features, means), d, level in zip(each, parts, levels, strict=True):
            T[:, c] = model.image(features, d)
            T[:, c] += level - float(means @ d)
        model.curve(T)
        sums = T.sum(axis=0)[self.classes] if q.fit_intercept else np.zeros(len(levels))
        found = [
            model.products(features, np.ascontiguousarray(T[:, c])) - slope * means
            for (c, features, means), slope in zip(each, sums, strict=True)
        ]
        out = np.concatenate([*found, sums])
        out[: len(self.l2)] += self.l2 * P[: len(self.l2)]
        return out

    def _by_rows(self, pairs: PairRows, P: Array) -> Array:
        model, size = self.model, len(self.l2)
        d, constant = P[:size], np.zeros(model.problem.k)
        constant[self.classes] = P[size:]
        constant -= np.bincount(self.one, self.about * d, len(constant))
        self.v[self.place] = self.scale * d
        G, sums = pairs.product(model.by_row, model.damping, self.v, constant)
        out = np.empty(len(P))
        np.multiply(self.scale, G[self.place], out=out[:size])
        out[:size] -= self.about * sums[self.one]
        out[:size] += self.l2 * d
        out[size:] = sums[self.classes] if model.problem.fit_intercept else 0.0
        return out
