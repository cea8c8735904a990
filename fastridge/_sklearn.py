"""All code that depends on scikit-learn; inactive until scikit-learn is loaded.

Importing this module does not import scikit-learn, which is looked up in ``sys.modules`` at each
use, so that an estimator made before scikit-learn was imported works with it afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from . import exceptions

# Modules of the classes that are not in sklearn.exceptions.
_HOMES = {"InvalidParameterError": "sklearn.utils._param_validation"}

_combined: dict[tuple[type, type], type] = {}

# Value that leaves a metadata request unchanged (sklearn.utils.metadata_routing.UNCHANGED).
UNCHANGED = "$UNCHANGED$"


def is_loaded() -> bool:
    """Return whether scikit-learn is imported in this process."""
    return "sklearn" in sys.modules


def exception(name: str) -> Any:
    """Return the class to raise or to warn with for a class of `fastridge.exceptions`.

    Parameters
    ----------
    name : str
        Name of a class of `fastridge.exceptions`, for example ``"NotFittedError"``.

    Returns
    -------
    type
        The class of that name, or, where scikit-learn is loaded and has a class of that name, a
        class that derives from both.

    Examples
    --------
    >>> from fastridge import exceptions
    >>> from fastridge._sklearn import exception
    >>> issubclass(exception("ConvergenceWarning"), exceptions.ConvergenceWarning)
    True
    """
    ours = getattr(exceptions, name)
    theirs = getattr(sys.modules.get(_HOMES.get(name, "sklearn.exceptions")), name, None)
    if theirs is None:
        return ours
    both = _combined.get((ours, theirs))
    if both is None:
        contents = {
            "__doc__": ours.__doc__,
            "__module__": ours.__module__,
            "__reduce__": lambda self: (_rebuild, (name, self.args)),
        }
        both = _combined.setdefault((ours, theirs), type(name, (ours, theirs), contents))
    return both


def _rebuild(name: str, args: tuple[Any, ...]) -> Any:
    """Unpickle an exception; scikit-learn's class is a base only where it is loaded."""
    return exception(name)(*args)


class Borrowed:
    """Attribute taken from scikit-learn's ``BaseEstimator`` while scikit-learn is loaded.

    Without scikit-learn the attribute does not exist, so that ``hasattr`` is False.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
        for lender in () if base is None else base.__mro__:
            if self.name in vars(lender):
                value = vars(lender)[self.name]
                return value.__get__(instance, owner) if hasattr(value, "__get__") else value
        raise AttributeError(
            f"{owner.__name__} has no attribute {self.name!r} until scikit-learn is imported"
        )


class BorrowedRouter(Borrowed):
    """``get_metadata_routing`` of an estimator that routes metadata, while scikit-learn is loaded.

    ``_routes()`` of the estimator names the objects and their methods that receive metadata.
    """

    def __get__(self, instance: Any, owner: type) -> Any:
        super().__get__(instance, owner)
        return router if instance is None else partial(router, instance)


class Unused:
    """Names of arguments that are not metadata, for a class attribute ``__metadata_request__...``.

    scikit-learn recognises its marker ``UNUSED`` by identity, so `items` imports it.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def items(self) -> list[tuple[str, Any]]:
        """Return pairs of a name and scikit-learn's marker, imported at the call."""
        from sklearn.utils.metadata_routing import UNUSED

        return [(name, UNUSED) for name in self._names]


def tags(estimator_type: str, targets: str) -> Any:
    """Return the tags of an estimator, as scikit-learn's ``__sklearn_tags__`` returns them.

    Parameters
    ----------
    estimator_type : {"regressor", "classifier"}
        Kind of the estimator.
    targets : {"one", "several", "only several", "labels"}
        Targets it takes, as in `fastridge._estimators.Row`.

    Returns
    -------
    sklearn.utils.Tags
        y required, sparse X accepted, no missing values.

    Raises
    ------
    RuntimeError
        If scikit-learn is not loaded.
    """
    if not is_loaded():
        raise RuntimeError("The tags of an estimator need scikit-learn: import sklearn first.")
    from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

    return Tags(
        estimator_type=estimator_type,
        target_tags=TargetTags(
            required=True,
            multi_output=targets in ("several", "only several"),
            single_output=targets != "only several",
        ),
        regressor_tags=RegressorTags() if estimator_type == "regressor" else None,
        classifier_tags=ClassifierTags(multi_label=targets == "labels")
        if estimator_type == "classifier"
        else None,
        input_tags=InputTags(sparse=True, allow_nan=False),
    )


_REQUEST = """Set whether a scikit-learn meta-estimator passes {metadata} to `{method}`.

For use under ``sklearn.set_config(enable_metadata_routing=True)``.

Parameters
----------
{names} : bool, str or None
    True: pass it on if given. False: do not pass it on. None: raise an error if given. A
    string: pass on the metadata given under that name. Default: do not change the request.

Returns
-------
self : object
    The estimator.

Raises
------
RuntimeError
    If scikit-learn is not loaded, or its metadata routing is not enabled.
"""
_F = TypeVar("_F", bound=Callable[..., Any])


def describe_request(function: _F) -> _F:
    """Write the docstring of a ``set_METHOD_request`` from its keyword-only parameters."""
    method = function.__name__.removeprefix("set_").removesuffix("_request")
    function.__doc__ = request_doc(method, list(function.__kwdefaults__ or {}))
    return function


def request_doc(method: str, names: Sequence[str]) -> str:
    """Return the docstring of ``set_{method}_request`` for the metadata `names`."""
    metadata = ", ".join(f"`{name}`" for name in names[:-1])
    metadata += f" and `{names[-1]}`" if metadata else f"`{names[-1]}`"
    return _REQUEST.format(metadata=metadata, method=method, names=", ".join(names))


def request_metadata(estimator: Any, method: str, **requests: Any) -> Any:
    """Record which metadata `method` asks a meta-estimator for; see ``set_fit_request``.

    Raises
    ------
    RuntimeError
        If scikit-learn is not loaded, or its metadata routing is not enabled.
    """
    if not is_loaded():
        raise RuntimeError(
            f"set_{method}_request is part of scikit-learn's metadata routing: import sklearn and"
            " enable it with sklearn.set_config(enable_metadata_routing=True)."
        )
    if not routes():
        raise RuntimeError(
            f"set_{method}_request needs metadata routing, which is not enabled: enable it with"
            " sklearn.set_config(enable_metadata_routing=True)."
        )
    routing = estimator._get_metadata_request()
    for name, alias in requests.items():
        if not (isinstance(alias, str) and alias == UNCHANGED):
            getattr(routing, method).add_request(param=name, alias=alias)
    estimator._metadata_request = routing
    return estimator


def routes() -> bool:
    """Return whether scikit-learn is loaded and its metadata routing is enabled."""
    if not is_loaded():
        return False
    from sklearn import get_config

    return bool(get_config().get("enable_metadata_routing", False))


def router(estimator: Any) -> Any:
    """Return the ``MetadataRouter`` of `estimator`.

    Parameters
    ----------
    estimator : object
        ``estimator._routes()`` maps a name to the method that ``fit`` calls and its object; a str
        or None in place of a scorer stands for a scorer that takes ``sample_weight``.

    Returns
    -------
    sklearn.utils.metadata_routing.MetadataRouter
        Requests of the estimator itself and of these objects.
    """
    from sklearn.utils.metadata_routing import MetadataRequest, MetadataRouter, MethodMapping

    found = MetadataRouter(owner=estimator).add_self_request(estimator)
    for name, (method, consumer) in estimator._routes().items():
        if method == "score" and (consumer is None or isinstance(consumer, str)):
            consumer = MetadataRequest(owner=estimator)
            consumer.score.add_request(param="sample_weight", alias=True)
        mapping = MethodMapping().add(caller="fit", callee=method)
        found.add(method_mapping=mapping, **{name: consumer})
    return found


def route(estimator: Any, params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the metadata of ``estimator.fit`` for each object of ``estimator._routes()``.

    Raises
    ------
    TypeError, sklearn.exceptions.UnsetMetadataPassedError
        If no object requests one of `params`, or an object does not say whether it does.
    """
    from sklearn.utils.metadata_routing import process_routing

    given = {name: value for name, value in params.items() if value is not None}
    routed = process_routing(estimator, "fit", **given) if given else {}
    names = estimator._routes().items()
    return {n: dict(routed[n][method]) if given else {} for n, (method, _) in names}


def requests(consumer: Any, method: str, name: str) -> bool | str | None:
    """Return the metadata request of `consumer` for the argument `name` of `method`.

    Returns
    -------
    bool, str or None
        The alias under which it is requested, whether it is requested, or None where not set.
    """
    if not is_loaded() or not hasattr(consumer, "get_metadata_routing"):
        return None
    return getattr(consumer.get_metadata_routing(), method).requests.get(name)
