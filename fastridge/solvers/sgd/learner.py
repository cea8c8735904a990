"""The state of a linear model that is learned row by row, and one pass over rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ..._sgd import (
    BEGAN,
    ETA,
    LOSSES,
    RULES,
    SEEN,
    SHRINK,
    START,
    UNSEEN,
    Steps,
    T,
    shuffle_blocks,
    slope,
)

Floats = NDArray[np.float64]

ADAPTIVE = frozenset({"adagrad", "auto", "coin"})  # rules with a rate for each column
RATES = {"auto": 0.5, "coin": 2.0}  # eta of rules without the parameter eta0
_SMALL = 4096  # numbers of a table that is always copied as a whole


class Rule(NamedTuple):
    """Parameters of the steps, from those of `SGDClassifier` and `SGDRegressor`.

    Attributes
    ----------
    loss : str
        A key of `fastridge._sgd.LOSSES`.
    epsilon : float
        The width of the insensitive losses, and the threshold of "huber".
    learning_rate : str
        A key of `fastridge._sgd.RULES`.
    eta0, power_t : float
    alpha, l1_ratio : float
        The penalty is alpha ((1 - l1_ratio) / 2 |w|^2 + l1_ratio |w|_1).
    fit_intercept : bool
    average : int
        Row from which weights are averaged; 0: no averages.
    batch_size : int
        Number of rows per step.
    """

    loss: str
    epsilon: float = 0.1
    learning_rate: str = "auto"
    eta0: float = 0.01
    power_t: float = 0.5
    alpha: float = 1e-4
    l1_ratio: float = 0.0
    fit_intercept: bool = True
    average: int = 0
    batch_size: int = 1


class Diverged(ArithmeticError):
    """A prediction or a step was not finite; the call was rolled back."""


class Unsound(ValueError):
    """Unchecked rows are unsorted or not finite; the call was rolled back."""


class Shuffled(NamedTuple):
    """A random order of all rows that reads memory in blocks.

    Attributes
    ----------
    rows : ndarray of intp, shape (n,)
    ahead : ndarray of intp, shape (n,)
        The same rows, those of each window in storage order.
    window : int
        Rows of a window.
    """

    rows: NDArray[np.intp]
    ahead: NDArray[np.intp]
    window: int


class Learner:
    """A linear model of several outputs that takes a step for each row.

    Parameters
    ----------
    n_features, n_outputs : int
    rule : Rule
        It may be replaced between calls, except for its loss, learning rate and intercept.
    factor : ndarray of float64, shape (n_features,), or None
        Factors of the penalty; 0: unpenalised. `set_factor` replaces them.
    """

    def __init__(
        self, n_features: int, n_outputs: int, rule: Rule, factor: Floats | None = None
    ) -> None:
        self._set(n_features, n_outputs, rule, factor)
        if self._adaptive:
            table = self._steps.table
            table[:, 0] = 1.0 if rule.learning_rate == "adagrad" else UNSEEN
            table[-1, 0] = 1.0
        numbers = self._steps.numbers
        numbers[T], numbers[SHRINK], numbers[BEGAN] = 1.0, 1.0, -1.0

    def _set(self, n_features: int, n_outputs: int, rule: Rule, factor: Floats | None) -> None:
        """Set the parameters, and a state of zeros."""
        self.rule = rule
        self.n_features, self.n_outputs = n_features, n_outputs
        self.factor = factor
        self._adaptive = rule.learning_rate in ADAPTIVE
        self._groups = self._grouped(factor)
        self._laid_out = rule  # the rule that the layout of records belongs to
        self._steps = self._make(rule)

    def _grouped(self, factor: Floats | None) -> tuple[NDArray[np.int32] | None, Floats]:
        """Return each column's index of its scale, for plain rules, and the factors of scales."""
        if factor is None or self._adaptive or not len(factor):
            return None, np.ones(1)
        scale_factor, places = np.unique(factor, return_inverse=True)
        return places.astype(np.int32), scale_factor

    def _layout(self, rule: Rule) -> tuple[int, bool, bool]:
        """Return the length of a column's record, and whether it has L1 fields and averages."""
        k, net, averages = self.n_outputs, rule.alpha > 0 and rule.l1_ratio > 0, rule.average > 0
        if rule.learning_rate == "coin":
            return 2 + k * (5 + averages), False, averages
        if self._adaptive:
            return 2 + k * (3 + 2 * net + averages), net, averages
        return k * (1 + net + averages), net, averages

    def _make(self, rule: Rule) -> Steps:
        fields, net, averages = self._layout(rule)
        return Steps(
            self.n_features,
            self.n_outputs,
            LOSSES[rule.loss],
            RULES[rule.learning_rate],
            rule.fit_intercept,
            fields,
            averages,
            net and self._adaptive,
            self._groups[0],
            self.factor,
            self._groups[1],
        )

    def _lay_out_anew(self, before: Rule) -> None:
        """Change the fields of the records for another penalty, or averages."""
        old, k = self._steps, self.n_outputs
        old.lay_out(False)
        new = self._make(self.rule)
        fields, net, averages = self._layout(before)
        own = fields - k * (averages + (net if not self._adaptive else 2 * net))
        new.table[:, :own] = old.table[:, :own]
        if self._layout(self.rule)[1] and net:
            size = k if not self._adaptive else 2 * k
            new.table[:, own : own + size] = old.table[:, own : own + size]
        if averages and new.fields > own and self.rule.average:
            new.table[:, -k:] = old.table[:, -k:]
        if not (averages and self.rule.average):
            old.numbers[BEGAN] = -1.0
            old.scale_sum[:] = 0.0
        new.place(new.table, old.numbers, old.scale, old.scale_sum)
        self._steps = new

    @property
    def t(self) -> float:
        """Number of rows seen plus 1."""
        return float(self._steps.numbers[T])

    @t.setter
    def t(self, value: float) -> None:
        self._steps.numbers[T] = value

    @property
    def eta(self) -> float:
        """Learning rate of the last step."""
        return float(self._steps.numbers[ETA])

    @property
    def shrink(self) -> float:
        """Common factor of all rates."""
        return float(self._steps.numbers[SHRINK])

    @shrink.setter
    def shrink(self, value: float) -> None:
        numbers = self._steps.numbers
        if self._adaptive and self.rule.learning_rate != "coin":
            self._columns(2 + 2 * self.n_outputs)[...] *= value / numbers[SHRINK]
        numbers[SHRINK] = value

    def learn(
        self,
        A: Matrix,
        y: NDArray[Any],
        weight: Floats | None = None,
        positive: Floats | None = None,
        order: NDArray[np.intp] | Shuffled | None = None,
    ) -> float:
        """Take a step for each row, or for each batch of neighbours of the order.

        Parameters
        ----------
        A : Matrix
            Dense in C order, or CSR. Rows of an `unseen` matrix are checked before they are learned
            from; batches need a checked matrix.
        y : ndarray
            For one output, float64 targets (n,), -1 and 1 for classes; for several, int32 codes
            (n,) or float64 shares (n, n_outputs).
        weight : ndarray of float64, shape (n,), or None
        positive : ndarray of float64, shape (n_outputs,), or None
            Factors of the losses of rows of the positive class, one against the rest.
        order : ndarray of intp, Shuffled or None
            The rows in the order of the visits; None: storage order.

        Returns
        -------
        float
            The weighted sum of the losses, each before its step.

        Raises
        ------
        Diverged
            If a prediction or a step is not finite.
        Unsound
            If columns of unseen rows do not ascend or do not exist, or their values are not finite.
        """
        self._set_rule()
        rule, steps = self.rule, self._steps
        by_field = self.n_outputs == 1 and not A.is_sparse
        steps.lay_out(by_field and rule.learning_rate != "coin")
        back = self._keep(A)
        soft = y.dtype == np.float64
        rows, ahead = (order.rows, order.ahead) if isinstance(order, Shuffled) else (order, None)
        window = order.window if isinstance(order, Shuffled) else _rows_of(_WINDOW, A)
        if ahead is not None and rule.batch_size >= window:
            # rows of a batch are summed: read them in storage order
            rows = ahead
        n = A.shape[0] if rows is None else len(rows)
        parts = [(0, n)]
        if rule.average and self._adaptive and steps.numbers[BEGAN] < 0:
            # start averaging at the boundary of a batch
            first = -int(-max(rule.average - self.t, 0) // rule.batch_size) * rule.batch_size
            first = min(first, n)
            parts = [(0, first), (first, n)]
            # rows of a window lie ahead of it in another order: a part may end within one
            ahead = None
        total = 0.0
        targets = (y.reshape(-1), None) if soft else (None, y)
        for begin, end in parts:
            if begin == parts[-1][0] and len(parts) == 2 and begin < n:
                self._begin_averages()
            try:
                found = steps.learn(
                    A,
                    *targets,
                    soft,
                    weight,
                    positive,
                    rows,
                    ahead,
                    window,
                    begin,
                    end,
                    rule.batch_size,
                )
            except KeyboardInterrupt:
                self._restore(back)
                raise
            if found is None:
                self._restore(back)
                if steps.unsound:
                    raise Unsound(
                        "columns of a row are not in ascending order, or values are not finite"
                    )
                raise Diverged("a prediction or a step is not finite")
            total += found
        return total

    def _set_rule(self) -> None:
        rule = self.rule
        if rule is not self._laid_out and rule != self._laid_out:
            # apply pending decay with the old penalty
            self._steps.flush()
            if self._layout(rule) != self._layout(self._laid_out):
                self._lay_out_anew(self._laid_out)
            self._laid_out = rule
        eta0 = RATES.get(rule.learning_rate, rule.eta0)
        first = 0.0
        if rule.learning_rate == "optimal":
            # Bottou's initial rate, for weights of the size 1 / sqrt(alpha)
            typical = np.sqrt(1.0 / np.sqrt(rule.alpha))
            size = slope(LOSSES[rule.loss], rule.epsilon, 1.0, -typical)
            first = 1.0 / (typical / max(1.0, size) * rule.alpha)
        self._steps.set_rule(
            rule.epsilon, eta0, rule.power_t, first, rule.alpha, rule.l1_ratio, rule.average
        )

    def _begin_averages(self) -> None:
        steps, k = self._steps, self.n_outputs
        steps.flush()
        steps.numbers[BEGAN] = steps.numbers[SEEN]
        area = self._columns(steps.fields - k)
        area[...] = -self._pending() if self.rule.learning_rate == "coin" else 0.0

    def _pending(self) -> Floats:
        """Return the integrals of the weights of bets since the last visits of their columns."""
        clock = self._steps.table[:, 1]
        return self._columns(2) * (self._inverse() * (self._steps.numbers[SEEN] - clock))

    def _keep(self, A: Matrix) -> tuple[Any, ...]:
        """Return the data with which `_restore` can undo a call over these rows."""
        steps = self._steps
        rows = None
        begins = self.rule.average and steps.numbers[BEGAN] < 0
        is_large = A.is_sparse and steps.table.size > max(_SMALL, 4 * A.nnz)
        if is_large and self._adaptive and not begins:
            # only these columns change; other rules, and the start of averages, change all
            columns = A.arrays[1]
            if A.unseen and not 0 <= columns.min(initial=0) <= columns.max(initial=0) < A.shape[1]:
                raise Unsound("rows have columns that do not exist")
            rows = np.append(A.arrays[1], self.n_features)
        kept = steps.table.copy() if rows is None else steps.table[rows]
        return rows, kept, steps.numbers.copy(), steps.scale.copy(), steps.scale_sum.copy()

    def _restore(self, back: tuple[Any, ...]) -> None:
        rows, kept, *others = back
        steps = self._steps
        steps.table[... if rows is None else rows] = kept
        for now, before in zip((steps.numbers, steps.scale, steps.scale_sum), others, strict=True):
            now[...] = before

    def _columns(self, first: int) -> Floats:
        """Return the fields of the outputs from index `first`, (n_outputs, n_features + 1)."""
        table, k = self._steps.table, self.n_outputs
        if self._steps.by_field:
            return np.asarray(table[first : first + k, : self.n_features + 1])
        return np.asarray(table[:, first : first + k].T)

    def _scales(self, scale: Floats) -> Floats:
        """Return the scales of the columns, and 1 for the intercept."""
        group = self._groups[0]
        by_column = np.full(self.n_features, scale[0]) if group is None else scale[group]
        return np.append(by_column, 1.0)

    def _weights(self) -> Floats:
        steps = self._steps
        if self._adaptive:
            self._set_rule()
            steps.flush()
            weights = self._columns(2) * self._inverse()
            weights[:, -1] += steps.numbers[START]
            return weights
        return self._columns(0) * self._scales(steps.scale)

    def _inverse(self) -> Floats:
        """Return 1 / s for the columns and the intercept."""
        table = self._steps.table
        if self._steps.by_field:
            return np.asarray(table[0, : self.n_features + 1])
        return np.asarray(table[:, 0])

    def coef(self) -> Floats:
        """Coefficients, shape (n_outputs, n_features)."""
        return np.ascontiguousarray(self._weights()[:, :-1])

    def intercept(self) -> Floats:
        """Intercepts, shape (n_outputs,)."""
        weights = self._columns(2 if self._adaptive else 0)[:, -1]
        return weights + self._steps.numbers[START] if self._adaptive else weights.copy()

    def average(self) -> tuple[Floats, Floats]:
        """Averages of coefficients and intercepts; their current values before averages start."""
        steps, k = self._steps, self.n_outputs
        weights = self._weights()
        began = steps.numbers[BEGAN]
        if began >= 0 and self._adaptive:
            time = steps.numbers[SEEN] - began
            if time > 0:
                sums = self._columns(steps.fields - k)
                if self.rule.learning_rate == "coin":
                    sums = sums + self._pending()
                weights = sums / time
                weights[:, -1] += steps.numbers[START]
        elif began >= 0:
            last = steps.fields - k
            sums = self._columns(last).copy()
            sums[:, :-1] += self._columns(0)[:, :-1] * self._scales(steps.scale_sum)[:-1]
            weights = sums / (self.t - began)
        return np.ascontiguousarray(weights[:, :-1]), np.ascontiguousarray(weights[:, -1])

    def restart_averages(self) -> None:
        """Forget the averages; new ones begin with the next row."""
        self._steps.flush()
        self._steps.numbers[BEGAN] = -1.0

    def set_coef(self, coef: Floats, intercept: Floats) -> None:
        """Set coefficients (n_outputs, n_features) and intercepts (n_outputs,).

        Raises
        ------
        ValueError
            If the learning rate is "coin", whose bets begin at 0.
        """
        if self.rule.learning_rate == "coin":
            raise ValueError(
                "learning_rate='coin' always starts from 0, and cannot continue from given or"
                " earlier coefficients; expected another learning_rate, or no coefficients."
            )
        self._weights()
        self._fold()
        weights = self._columns(2 if self._adaptive else 0)
        weights[:, :-1], weights[:, -1] = coef, intercept
        if self._adaptive:
            weights[:, :-1] /= self._inverse()[:-1]

    def _fold(self) -> None:
        """Make all scales of a plain rule 1, in weights and in sums of averages."""
        steps = self._steps
        if self._adaptive:
            return
        v = self._columns(0)
        if self._laid_out.average:
            sums = self._columns(steps.fields - self.n_outputs)
            sums[:, :-1] += v[:, :-1] * self._scales(steps.scale_sum)[:-1]
        v *= self._scales(steps.scale)
        steps.scale[:], steps.scale_sum[:] = 1.0, 0.0

    def set_factor(self, factor: Floats | None) -> None:
        """Replace the factors of the penalty, from the next row on."""
        self._set_rule()
        steps = self._steps
        steps.flush()
        self._fold()
        self.factor, self._groups = factor, self._grouped(factor)
        new = self._make(self._laid_out)
        new.place(steps.table, steps.numbers, new.scale, new.scale_sum)
        self._steps = new

    def copy(self) -> Learner:
        """Return a copy that learns by itself."""
        return Learner.of_state(self.state())

    def state(self) -> dict[str, Any]:
        """Return the state, from which learning continues bit for bit, as arrays and numbers."""
        self._set_rule()
        steps = self._steps
        return {
            "n_features": self.n_features,
            "n_outputs": self.n_outputs,
            "rule": self._laid_out._asdict(),
            "factor": self.factor,
            "table": steps.table,
            "numbers": steps.numbers,
            "scale": steps.scale,
            "scale_sum": steps.scale_sum,
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Learner:
        """Return a learner with a copy of a given `state`."""
        learner = cls.__new__(cls)
        rule = Rule(**state["rule"])
        learner._set(state["n_features"], state["n_outputs"], rule, state["factor"])
        learner._steps.place(
            *(np.array(state[name]) for name in ("table", "numbers", "scale", "scale_sum"))
        )
        return learner

    def __reduce__(self) -> tuple[Any, ...]:
        return Learner.of_state, (self.state(),)


def _rows_of(size: float, A: Matrix) -> int:
    """About how many rows of A have so many bytes."""
    return max(1, int(size * A.shape[0] / max(1, sum(a.nbytes for a in A.arrays))))


def shuffled_order(n: int, row_bytes: float, seed: int, epoch: int = 0) -> Shuffled:
    """Return an order of n rows that is random and reads memory in pieces.

    Blocks of neighbouring rows, of about 8 KiB, are visited in random order, and rows are mixed
    within 128 KiB of consecutive blocks; mixing less would leave long runs in rows sorted by y.
    Data of up to 4 MiB, which fit into a cache, are permuted in full.

    Parameters
    ----------
    n : int
    row_bytes : float
        Mean size of a row.
    seed, epoch : int
        Seed of the generator, and number of the epoch.

    Returns
    -------
    Shuffled

    Examples
    --------
    >>> from fastridge.solvers.sgd.learner import shuffled_order
    >>> sorted(shuffled_order(5, 80.0, seed=0).rows.tolist())
    [0, 1, 2, 3, 4]
    """
    first, second = np.random.SeedSequence([seed, epoch]).generate_state(2, np.uint64).tolist()
    block, window = max(1, n), max(1, n)
    if n * row_bytes > _ALL:
        block = max(1, int(_PIECE / row_bytes))
        window = block * max(2, int(_WINDOW / (block * row_bytes)))
    ahead, order = shuffle_blocks(n, block, window, first, second)
    return Shuffled(order, ahead, window)


_PIECE, _WINDOW, _ALL = 1 << 13, 1 << 17, 1 << 22  # bytes
