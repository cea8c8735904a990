"""Base of the optimizers: groups of parameters, steps, state."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .._stepper import Stepper
from ._groups import arrays_and_names, is_array

__all__ = ["Optimizer"]

_LOOKS = {"propagate": 0, "skip": 1, "raise": 2}
# keys of torch's groups that select an implementation and do not change results
_OF_TORCH = {"capturable", "differentiable", "foreach", "fused"}
_DECOUPLED = "decoupled_weight_decay"
# options of only one kind of optimizer
_ONLY = {
    "SGD": {"momentum", "dampening", "nesterov"},
    "Adam": {"betas", "eps", "amsgrad"},
}
# numbers of steps up to this are exact as floats
_MOST_STEPS = 2**53


class Optimizer:
    """Base of the optimizers; a subclass defines the numbers of a group."""

    _adam: ClassVar[bool] = False
    # names of the state in a state_dict: the arrays that a Stepper keeps, in its order
    _arrays: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Any, defaults: dict[str, Any], on_nonfinite: str) -> None:
        if on_nonfinite not in _LOOKS:
            raise ValueError(
                f"on_nonfinite: expected 'propagate', 'skip' or 'raise'; got {on_nonfinite!r}"
            )
        self.defaults = defaults
        self.on_nonfinite = on_nonfinite
        self.param_groups: list[dict[str, Any]] = []
        if is_array(params) or isinstance(params, Mapping):
            params = [{"params": params}] if not is_array(params) else params
        groups = params if isinstance(params, list) else _listed(params)
        if not groups or not all(isinstance(g, Mapping) for g in groups):
            groups = [{"params": groups}]
        self.param_groups += [self._group(g, k) for k, g in enumerate(groups)]
        self._stepper, self._names = self._stepper_of(self.param_groups)

    def _group(self, given: Mapping[str, Any], k: int) -> dict[str, Any]:
        """Return a group with all its numbers, and its parameters in a list."""
        if "params" not in given:
            raise ValueError(f"params[{k}]: expected a group with the key 'params'; got {given!r}")
        params, factors = given["params"], given.get("penalty_factor")
        if is_array(params):
            params, factors = [params], None if factors is None else [factors]
        arrays, names = arrays_and_names(params, f"params[{k}]['params']" if k else "params")
        known = {*self.defaults, "params", "initial_lr", "penalty_factor", "param_names"}
        for key in given:
            if key not in known and key not in (*_OF_TORCH, _DECOUPLED):
                raise ValueError(f"params[{k}]: expected keys of {sorted(known)}; got {key!r}")
        if isinstance(factors, Mapping):
            if names is None or not set(factors) <= set(names):
                raise ValueError(
                    f"penalty_factor: expected names of parameters {names}; got {list(factors)}"
                )
            factors = [factors.get(name) for name in names]
        if factors is not None and (is_array(factors) or len(factors) != len(arrays)):
            raise ValueError(
                "penalty_factor: expected a list of one array (or None) for each of the "
                f"{len(arrays)} parameters of its group"
            )
        numbers = _with_mode(given, f"params[{k}]")
        group = {"params": arrays, **self.defaults, **numbers, "penalty_factor": factors}
        group["params"] = arrays
        group.setdefault("initial_lr", group["lr"])
        if names is None and given.get("param_names") is not None:
            names = list(given["param_names"])
            if len(names) != len(arrays):
                raise ValueError(
                    f"param_names: expected a name for each of the {len(arrays)} parameters of "
                    f"the group; got {len(names)}"
                )
        group["param_names"] = names
        return {key: value for key, value in group.items() if key not in _OF_TORCH}

    def _stepper_of(self, groups: list[dict[str, Any]]) -> tuple[Stepper, list[str] | None]:
        """Return the stepper of the parameters of all groups, and their names if all have one."""
        arrays: list[Any] = []
        labels: list[str] = []
        places: list[int] = []
        factors: list[Any] = []
        for k, group in enumerate(groups):
            names = group["param_names"]
            for i, p in enumerate(group["params"]):
                labels.append(repr(names[i]) if names else f"params[{len(arrays)}]")
                arrays.append(p)
                places.append(k)
                factor = group["penalty_factor"][i] if group["penalty_factor"] else None
                if factor is not None:
                    factor = _checked_factor(factor, labels[-1])
                factors.append(factor)
        named = [name for group in groups for name in group["param_names"] or ()]
        if len(set(named)) != len(named):
            twice = next(name for name in named if named.count(name) > 1)
            raise ValueError(f"params: expected each name once; got {twice!r} twice")
        stepper = Stepper(arrays, labels, places, factors, self._adam, len(groups))
        # check numbers here rather than at the first step
        stepper.step(groups, [None] * len(arrays), 1.0, 0)
        return stepper, named if len(named) == len(arrays) and named else None

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add a group of parameters, which have no state yet.

        Parameters
        ----------
        group : dict
            ``{"params": ...}`` and the numbers that differ from those of the optimizer.

        Raises
        ------
        ValueError, TypeError
            As for the constructor; the optimizer is then unchanged.
        """
        before = self._stepper
        before.check_groups(self.param_groups)
        added = self._group(group, len(self.param_groups))
        stepper, names = self._stepper_of([*self.param_groups, added])
        before.flush()
        stepper.set_states([before.get_state(i) for i in range(len(before.params))])
        self._stepper, self._names = stepper, names
        # in place: other references to the list see the group
        self.param_groups.append(added)

    def step(self, grads: Any, *, scale: float = 1.0) -> bool:
        """Take one step, in place.

        Parameters
        ----------
        grads : list of arrays, or mapping from names to arrays
            A gradient for each parameter, in the order of the groups, or by name where the
            parameters have names. It has the shape and dtype of the parameter, and shares no memory
            with it. None, or a missing name, leaves the parameter and its state unchanged. A pair
            (row indices, rows) is a gradient that is zero elsewhere: see `flush`.
        scale : float, default=1.0
            Factor of all gradients: a clipping factor (`clip_grad_norm`), or one over a loss scale.

        Returns
        -------
        bool
            False where ``on_nonfinite="skip"`` found NaN or infinity; then nothing is changed.

        Raises
        ------
        ValueError, TypeError
            For gradients or numbers that cannot be used, which the message names, and for
            ``on_nonfinite="raise"``; then nothing is changed.
        RuntimeError
            If another thread is taking a step of this optimizer.
        """
        if type(grads) is not list:
            grads = self._in_order(grads)
        if type(scale) is not float:
            if isinstance(scale, bool) or not hasattr(scale, "__float__"):
                raise TypeError(f"scale: expected a number; got {scale!r}")
            scale = as_float("scale", scale)
        return self._stepper.step(self.param_groups, grads, scale, _LOOKS[self.on_nonfinite])

    def _in_order(self, grads: Any) -> list[Any]:
        if isinstance(grads, Mapping):
            if self._names is None:
                raise ValueError(
                    "grads: expected a list, since the parameters have no names; got a mapping"
                )
            for name in grads:
                if name not in self._names:
                    raise ValueError(f"grads: expected names of parameters; got {name!r}")
            return [grads.get(name) for name in self._names]
        if is_array(grads) or isinstance(grads, (str, bytes)) or not hasattr(grads, "__iter__"):
            raise TypeError(
                "grads: expected a list of gradients, or a mapping from names to them; got "
                f"{'None' if grads is None else 'a ' + type(grads).__name__}"
            )
        return list(grads)

    def set_lr_factor(self, factor: float) -> None:
        """Set the learning rate of each group to `factor` times its `initial_lr`.

        Parameters
        ----------
        factor : float
            At least 0; for example from a schedule of `fastridge.optim`.

        Raises
        ------
        ValueError, TypeError
            If it is not a finite number of at least 0.
        """
        if isinstance(factor, bool) or not hasattr(factor, "__float__"):
            raise TypeError(f"factor: expected a number; got {factor!r}")
        value = as_float("factor", factor)
        if not 0 <= value < np.inf:
            raise ValueError(f"factor: expected a finite number of at least 0; got {factor!r}")
        for group in self.param_groups:
            group["lr"] = value * group["initial_lr"]

    def flush(self, param: int | str | None = None, rows: Any = None) -> None:
        """Bring rows up to date that had no gradient in recent steps.

        Where a gradient is a pair (row indices, rows), only those rows of the parameter are
        touched. Rows are the entries along the first axis; gradients of a row that occurs more than
        once are summed. Before a row is touched again, the steps in which it had no gradient are
        applied to it as in the dense optimizer, with the learning rate and decay of each step:

        - `SGD`: all the decays, as one factor;
        - with momentum: momentum keeps moving the row, and decays; one linear map of (w, b);
        - `Adam`, `AdamW` with decoupled, independent or no decay: the moments shrink and keep
          moving the row, and so does the decay; each element by its own sum over the steps, of
          which terms below 2^-34 (float64: 2^-64) of the first are left out;
        - `SGD` with `penalty_factor`: each element by the exponential of a power series of 16 terms
          in its factor; where a step takes more than 1/16 of an element, or with momentum, by
          the powers of its own map, one for each run of steps with the same numbers;
        - `Adam` with `penalty_factor` and decoupled, independent or no decay: step by step as long
          as the moments move the row (230 steps of float32 and 430 of float64 with the default
          betas), then as `SGD`;
        - `Adam` with ``"l2"`` decay: step by step, in time proportional to the number of missed
          steps, since the decay enters the moments, whose quotient has no closed form. All rows
          are brought up to date after 1,024 steps.

        Until then, a row has the values of its last own step. Call ``flush(param, rows)`` before
        the rows are read, and ``flush()`` before the parameter is read as a whole: it then equals
        that of the dense optimizer up to round-off. A flush that Ctrl-C interrupts is continued by
        the next one.

        Parameters
        ----------
        param : int, str or None, default=None
            Position or name of a parameter; None: all.
        rows : array of int, or None, default=None
            Rows of that parameter; None: all.

        Raises
        ------
        ValueError, TypeError
            For a parameter or a row that does not exist.
        """
        if param is None:
            if rows is not None:
                raise ValueError("rows: expected None when param is None; got rows")
            self._stepper.flush()
            return
        if isinstance(param, str):
            if self._names is None or param not in self._names:
                raise ValueError(f"param: expected the name of a parameter; got {param!r}")
            param = self._names.index(param)
        elif isinstance(param, bool) or not hasattr(param, "__index__"):
            raise TypeError(f"param: expected a position, a name or None; got {param!r}")
        if not 0 <= param < len(self._stepper.params):
            raise ValueError(f"param: expected 0 to {len(self._stepper.params) - 1}; got {param!r}")
        self._stepper.flush(param, rows)

    def state_dict(self) -> dict[str, Any]:
        """Return the state and the numbers of the optimizer, without the parameters.

        Returns
        -------
        dict
            As torch's: ``{"state": {position: {name: array or number}}, "param_groups": [...]}``
            with positions in place of parameters, and without `penalty_factor`. Arrays are those
            of the optimizer, not copies. ``fastridge.save`` writes it to a file;
            `fastridge.optim.torch_state_dict` returns a dict that torch can load.

        Notes
        -----
        Rows are brought up to date first (`flush`).
        """
        self._stepper.check_groups(self.param_groups)
        self._stepper.flush()
        state = {}
        for i in range(len(self._stepper.params)):
            steps, begun, *arrays = self._stepper.get_state(i)
            if steps:
                found: dict[str, Any] = {"step": steps}
                for name, a in zip(self._arrays, arrays, strict=False):
                    found[name] = a if self._adam or begun else None
                    if a is None and name == "max_exp_avg_sq":
                        del found[name]
                state[i] = found
        groups, start = [], 0
        for group in self.param_groups:
            kept = {k: v for k, v in group.items() if k not in ("params", "penalty_factor")}
            if kept["param_names"] is None:
                del kept["param_names"]
            kept["params"] = list(range(start, start + len(group["params"])))
            start += len(group["params"])
            groups.append(kept)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from the state of another optimizer, bit for bit.

        Parameters
        ----------
        state_dict : dict
            From `state_dict`, here or in torch, of an optimizer of this class over parameters of
            the same shapes in the same order. Arrays are copied; the caller restores the parameters
            themselves. Unknown keys of a group, such as those of learning-rate schedulers, are kept
            in `param_groups` and ignored. torch's ``decoupled_weight_decay`` becomes `decay_mode`:
            ``"decoupled"`` or ``"l2"``.

        Raises
        ------
        ValueError, TypeError
            If it does not fit; the optimizer is then unchanged.
        RuntimeError
            If another thread is taking a step of this optimizer.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError("state_dict: expected a dict with the keys 'state' and 'param_groups'")
        self._stepper.check_groups(self.param_groups)
        saved = state_dict["param_groups"]
        if not isinstance(saved, (list, tuple)):
            raise TypeError(f"state_dict: expected a list of groups; got {_kind(saved)}")
        for k, other in enumerate(saved):
            if not isinstance(other, Mapping) or not isinstance(
                other.get("params"), (list, tuple, range)
            ):
                raise ValueError(
                    f"state_dict: expected group {k} to be a dict with a list 'params'; got "
                    f"{list(other) if isinstance(other, Mapping) else _kind(other)}"
                )
        sizes = [len(g["params"]) for g in saved]
        if sizes != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(
                "state_dict: expected groups of "
                f"{[len(g['params']) for g in self.param_groups]} parameters; got {sizes}"
            )
        groups = [
            self._loaded_group(group, other, k)
            for k, (group, other) in enumerate(zip(self.param_groups, saved, strict=True))
        ]
        order, state = [i for g in saved for i in g["params"]], state_dict["state"]
        if not isinstance(state, Mapping):
            raise TypeError(f"state_dict: expected a dict as its state; got {_kind(state)}")
        for key in state:
            if key not in order:
                raise ValueError(f"state_dict: expected states of {order[:5]} ...; got {key!r}")
        states = [self._state_of(i, state.get(key)) for i, key in enumerate(order)]
        # numbers are checked before anything changes
        self._stepper.step(groups, [None] * len(order), 1.0, 0)
        self._stepper.flush()
        self._stepper.set_states(states)
        for group, new in zip(self.param_groups, groups, strict=True):
            group.update(new)

    def _loaded_group(self, group: dict[str, Any], other: Mapping[str, Any], k: int) -> Any:
        """Return a group with the numbers of another group, and its additional keys."""
        names, ours = other.get("param_names"), group["param_names"]
        if names is not None and ours is not None and list(names) != list(ours):
            raise ValueError(f"state_dict: expected the parameters {ours}; got {names}")
        if "penalty_factor" in other:
            raise ValueError(
                "state_dict: expected groups without 'penalty_factor', which only the constructor"
                " sets"
            )
        for kind, keys in _ONLY.items():
            for key in sorted(keys & set(other)):
                if key not in self.defaults:
                    raise ValueError(
                        f"state_dict: expected the state of {type(self).__name__}; got "
                        f"{key!r} in group {k}, a number of {kind}"
                    )
        left = ("params", "param_names", *_OF_TORCH)
        numbers = copy.deepcopy({key: v for key, v in other.items() if key not in left})
        numbers = _with_mode(numbers, f"state_dict, group {k}")
        if "initial_lr" not in numbers and "lr" in numbers:
            numbers["initial_lr"] = numbers["lr"]
        return group | numbers

    def _state_of(self, i: int, state: Mapping[str, Any] | None) -> tuple[Any, ...]:
        """Return a state in the form that `Stepper.set_states` takes."""
        if not state:
            return (0, False, None, None, None)
        shape, dtype = self._stepper.layout(i)
        label = self._stepper.labels[i]
        if not isinstance(state, Mapping):
            raise TypeError(f"state of {label}: expected a dict; got {_kind(state)}")
        for key in state:
            if key not in ("step", *self._arrays):
                raise ValueError(f"state of {label}: expected {self._arrays}; got {key!r}")
        arrays: list[Any] = []
        for name in self._arrays:
            a = state.get(name)
            if a is not None:
                a = np.array(np.asarray(a), order="C")
                if a.shape != shape or a.dtype != dtype:
                    raise ValueError(
                        f"{name} of {label}: expected shape {shape} of {dtype}; got {a.shape} of "
                        f"{a.dtype}"
                    )
            arrays.append(a)
        if self._adam and (arrays[0] is None or arrays[1] is None):
            raise ValueError(f"state of {label}: expected {self._arrays[:2]}; got {list(state)}")
        # torch does not count steps for SGD
        steps = _step_count(state.get("step", 1), label)
        return (steps, arrays[0] is not None, *arrays, *[None] * (3 - len(arrays)))

    def __reduce_ex__(self, protocol: Any) -> Any:
        # a copy would update its own arrays, not the caller's
        name = type(self).__name__
        raise TypeError(
            f"{name} is bound to the memory of its parameters, and cannot be copied or pickled:"
            f" create a new {name} for the copied parameters, and call its load_state_dict with the"
            " state_dict() of this one, which can be copied, pickled and saved."
        )

    def __repr__(self) -> str:
        numbers = ", ".join(f"{k}={v!r}" for k, v in self.defaults.items())
        n = len(self._stepper.params)
        return f"{type(self).__name__}(<{n} parameter{'s' * (n != 1)}>, {numbers})"


def as_float(name: str, value: Any) -> float:
    """Return a number as a float; raise ValueError for an integer out of range."""
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(
            f"{name}: expected a number in the range of float64; got {error}"
        ) from None


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _with_mode(group: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a group with torch's flag for decoupled decay replaced by `decay_mode`."""
    numbers = {key: value for key, value in group.items() if key != _DECOUPLED}
    flag = group.get(_DECOUPLED)
    if flag is None:
        return numbers
    if not isinstance(flag, (bool, np.bool_)):
        raise TypeError(f"{where}: expected {_DECOUPLED} to be True or False; got {flag!r}")
    mode = numbers.setdefault("decay_mode", "decoupled" if flag else "l2")
    if (mode == "l2") == bool(flag):
        raise ValueError(
            f"{where}: expected {_DECOUPLED} to agree with decay_mode {mode!r}; got {flag}"
        )
    return numbers


def _step_count(value: Any, label: str) -> int:
    """Return the number of steps of a state."""
    found = repr(value)
    try:
        steps = value if isinstance(value, int) else float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"step of {label}: expected a number; got {found}") from error
    if not 0 <= steps <= _MOST_STEPS or steps != int(steps):
        raise ValueError(
            f"step of {label}: expected a whole number from 0 to {_MOST_STEPS}; got {found}"
        )
    return int(steps)


def _listed(params: Any) -> list[Any]:
    if is_array(params):
        arrays_and_names(params)
    if isinstance(params, (str, bytes)) or not hasattr(params, "__iter__"):
        raise TypeError(f"params: expected a list of arrays; got {params!r}")
    return list(params)


def _checked_factor(factor: Any, label: str) -> Any:
    values = factor if isinstance(factor, np.ndarray) else None
    if values is not None and not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(
            f"penalty_factor of {label}: expected finite numbers of at least 0; got NaN, infinity"
            " or a negative number"
        )
    return factor
