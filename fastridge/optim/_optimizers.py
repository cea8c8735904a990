"""SGD, Adam and AdamW over groups of parameters."""

from __future__ import annotations

from typing import Any

from .._descriptions import describe_as
from ._optimizer import Optimizer

__all__ = ["SGD", "Adam", "AdamW"]


class SGD(Optimizer):
    """Gradient descent with weight decay and optional momentum.

    For each parameter w with gradient g, and ``d = scale * g`` (the reverse for `maximize`)::

        d = d + weight_decay * w                       "l2"
        b = momentum * b + (1 - dampening) * d         (first step: b = d)
        u = d + momentum * b  if nesterov else  b      (without momentum: u = d)
        w = w - lr * u                                 "l2"
        w = (1 - lr * weight_decay) * w - lr * u       "decoupled"
        w = (1 - lr / initial_lr * weight_decay) * w - lr * u      "independent"

    ``"l2"`` minimises loss + weight_decay / 2 * |w|^2; without momentum, ``"decoupled"`` is the
    same up to round-off.

    Parameters
    ----------
    params : list of arrays, mapping, pairs of (name, array), or list of groups
        C-contiguous writable float32 or float64 buffers, which are changed in place: NumPy arrays,
        memory maps, ``array.array``, CPU tensors of DLPack exporters such as torch. A group is
        ``{"params": ..., "lr": ..., "weight_decay": ..., "penalty_factor": ...}`` with the numbers
        that differ from those below; `penalty_factor` has for each parameter None or an array of
        its shape and dtype, which multiplies the decay element by element.
    lr : float, default=1e-3
        Learning rate.
    momentum : float, default=0.0
        Factor of the previous b in the equations; 0: no momentum.
    dampening : float, default=0.0
        Share of the gradient that momentum leaves out.
    weight_decay : float, default=0.0
        Strength of the decay, at least 0.
    nesterov : bool, default=False
        Use Nesterov momentum.
    maximize : bool, default=False
        Maximise instead of minimise.
    decay_mode : {"l2", "decoupled", "independent"}, default="l2"
        How `weight_decay` acts; see the equations.
    on_nonfinite : {"propagate", "skip", "raise"}, default="propagate"
        How to treat gradients with NaN or infinity: use them, skip the step, or raise ValueError.
        "skip" and "raise" check all gradients before anything is written, which costs another read
        of them.

    Attributes
    ----------
    param_groups : list of dict
        The groups with all their numbers ("lr", "weight_decay", ...), which may be changed between
        steps. "initial_lr" is the initial learning rate, the base of independent decay and of
        `set_lr_factor`.

    Raises
    ------
    ValueError, TypeError
        For a buffer that cannot be updated in place (read-only, not contiguous, of another dtype,
        overlapping another one) and for numbers out of their range.

    Notes
    -----
    One call updates all tensors with the GIL released, on several threads where that is faster;
    results are the same for any number of threads. A step is finished before Ctrl-C takes effect.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl, G. Hinton, On the importance of initialization and momentum
    in deep learning, ICML 2013; the order of the operations is torch's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.optim import SGD
    >>> w = np.array([1.0, 2.0])
    >>> optimizer = SGD([w], lr=0.1, weight_decay=1.0)
    >>> optimizer.step([np.array([0.5, 0.5])])
    True
    >>> w
    array([0.85, 1.75])
    """

    _arrays = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        decay_mode: str = "l2",
        on_nonfinite: str = "propagate",
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "decay_mode": decay_mode,
        }
        super().__init__(params, defaults, on_nonfinite)


@describe_as(SGD)
class Adam(Optimizer):
    """Adam, by default with coupled (L2) decay.

    For each parameter w with gradient g, ``d = scale * g`` (the reverse for `maximize`), at its
    step t from 1::

        d = d + weight_decay * w                                   "l2"
        m = beta1 * m + (1 - beta1) * d
        v = beta2 * v + (1 - beta2) * d^2
        u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
        w = w - lr * u                                             "l2"
        w = (1 - lr * weight_decay) * w - lr * u                   "decoupled": AdamW
        w = (1 - lr / initial_lr * weight_decay) * w - lr * u      "independent"

    With `amsgrad`, the largest v so far replaces v in u.

    Parameters
    ----------
    params : list of arrays, mapping, pairs of (name, array), or list of groups
        As for `SGD`.
    lr : float, default=1e-3
        Learning rate.
    betas : pair of float, default=(0.9, 0.999)
        Decay rates beta1 and beta2 of the moments m and v.
    eps : float, default=1e-8
        Term added to the denominator of u.
    weight_decay : float, default=0.0
        Strength of the decay, at least 0.
    amsgrad : bool, default=False
        Use the largest v so far.
    maximize : bool, default=False
        Maximise instead of minimise.
    decay_mode : {"l2", "decoupled", "independent"}, default="l2"
        How `weight_decay` acts; see the equations. ``"l2"`` decays elements of large gradients
        less.
    on_nonfinite : {"propagate", "skip", "raise"}, default="propagate"
        As for `SGD`.

    Attributes
    ----------
    param_groups : list of dict
        As for `SGD`.

    Raises
    ------
    ValueError, TypeError
        As for `SGD`.

    References
    ----------
    D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    S. Reddi, S. Kale, S. Kumar, On the convergence of Adam and beyond, ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.optim import Adam
    >>> w = np.ones(2)
    >>> optimizer = Adam({"w": w}, lr=0.1)
    >>> optimizer.step({"w": np.array([0.5, -3.0])})
    True
    >>> w.round(6)
    array([0.9, 1.1])
    """

    _adam = True
    _arrays = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decay_mode: str = "l2",
        on_nonfinite: str = "propagate",
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decay_mode": decay_mode,
        }
        super().__init__(params, defaults, on_nonfinite)


@describe_as(SGD)
class AdamW(Adam):
    """Adam with decoupled decay, which does not enter the moments.

    The equations are those of `Adam`.

    Parameters
    ----------
    params : list of arrays, mapping, pairs of (name, array), or list of groups
        As for `SGD`.
    lr : float, default=1e-3
        Learning rate.
    betas : pair of float, default=(0.9, 0.999)
        Decay rates beta1 and beta2 of the moments m and v.
    eps : float, default=1e-8
        Term added to the denominator of u.
    weight_decay : float, default=1e-2
        Strength of the decay, at least 0.
    amsgrad : bool, default=False
        Use the largest v so far.
    maximize : bool, default=False
        Maximise instead of minimise.
    decay_mode : {"l2", "decoupled", "independent"}, default="decoupled"
        How `weight_decay` acts; see the equations. With ``"independent"``, a step at the initial
        learning rate shrinks w by the share `weight_decay`, whatever that rate is.
    on_nonfinite : {"propagate", "skip", "raise"}, default="propagate"
        As for `SGD`.

    Attributes
    ----------
    param_groups : list of dict
        As for `SGD`.

    Raises
    ------
    ValueError, TypeError
        As for `SGD`.

    References
    ----------
    I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.optim import AdamW, split_decay
    >>> model = {"weight": np.ones((2, 2)), "bias": np.ones(2)}
    >>> optimizer = AdamW(split_decay(model, 0.5), lr=0.1)
    >>> optimizer.step({name: np.zeros_like(p) for name, p in model.items()})
    True
    >>> model["weight"][0], model["bias"]
    (array([0.95, 0.95]), array([1., 1.]))
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decay_mode: str = "decoupled",
        on_nonfinite: str = "propagate",
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decay_mode=decay_mode,
            on_nonfinite=on_nonfinite,
        )
