"""Fill in entries of a docstring that refer to another class or function.

In the sections Parameters, Attributes and Raises, the entry ::

    tol, max_iter
        As in `ElasticNet`.

is replaced by the entries of `ElasticNet` for these names, with the defaults of the documented
class or function. The text "As for `RidgeCV`; None: 5 folds." is replaced by the text of `RidgeCV`
followed by the sentence "None: 5 folds."
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_TITLE = re.compile(r"^( *)(\w[\w ]*)\n\1-{3,}\n", re.M)
_SECTIONS = ("Parameters", "Attributes", "Raises")
_AS = re.compile(r"\s*As (?:in|for) `(\w+)`(?:\.|; (.*))\s*", re.S)
_DEFAULT = re.compile(r"default=(.+)$")


class _Entry:
    """One entry of a section: names, type and text."""

    def __init__(self, names: list[str], kind: str, text: str) -> None:
        self.names, self.kind, self.text = names, kind, text

    def show(self, indent: str, names: list[str], defaults: Mapping[str, Any]) -> str:
        """Return the lines of the entry for some of its names, with their defaults."""
        kind = self.kind
        found = _DEFAULT.search(kind)
        if found and names[0] in defaults:
            value = defaults[names[0]]
            if not _is_literal(found[1], value):
                kind = kind[: found.start()] + f"default={value!r}".replace("'", '"')
        return f"{indent}{', '.join(names)}{f' : {kind}' if kind else ''}\n{self.text}"


def _is_literal(text: str, value: Any) -> bool:
    """Return whether the default in the text is `value`; True where the text is no literal."""
    try:
        literal = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return True
    return type(literal) is type(value) and bool(literal == value)


def _sections(doc: str) -> list[tuple[str, int, int]]:
    """Return indentation, start and end of the sections that are expanded."""
    titles = list(_TITLE.finditer(doc))
    ends = [*(title.start() for title in titles[1:]), len(doc)]
    return [
        (title[1], title.end(), end)
        for title, end in zip(titles, ends, strict=False)
        if title[2] in _SECTIONS
    ]


def _entries(text: str, indent: str) -> list[_Entry]:
    """Return the entries of a section; the text of an entry ends in a line feed."""
    found: list[_Entry] = []
    for line in text.rstrip().split("\n"):
        if line.startswith(indent + " ") or not line.strip():
            found[-1].text += line + "\n"
        else:
            names, _, kind = line.strip().partition(" : ")
            found.append(_Entry(names.split(", "), kind, ""))
    return found


def expand(doc: str, find: Callable[[str], str], defaults: Mapping[str, Any]) -> str:
    """Return the docstring with each reference replaced by the description that it refers to.

    Parameters
    ----------
    doc : str
        The docstring.
    find : callable
        find(name): the docstring of a class or function.
    defaults : mapping of str to object
        Defaults of the signature.

    Raises
    ------
    ValueError
        If the docstring that an entry refers to does not describe one of its names.
    """
    for indent, start, end in reversed(_sections(doc)):
        shown = []
        for entry in _entries(doc[start:end], indent):
            source = _AS.fullmatch(entry.text)
            if source is None:
                shown.append(entry.show(indent, entry.names, {}))
                continue
            theirs = find(source[1])
            margin, known = _known(theirs)
            names = list(entry.names)
            while names:
                other = known.get(names[0])
                if other is None:
                    raise ValueError(f"{source[1]} does not describe {names[0]!r}")
                taken = [name for name in other.names if name in names]
                names = [name for name in names if name not in taken]
                text = "".join(
                    indent + line.removeprefix(margin) if line.strip() else "\n"
                    for line in other.text.splitlines(keepends=True)
                )
                if source[2]:
                    more = source[2].rstrip()
                    text += f"{indent}    {more[0].upper()}{more[1:]}\n"
                shown.append(
                    _Entry([], entry.kind or other.kind, text).show(indent, taken, defaults)
                )
        tail = doc[start:end]
        tail = tail[len(tail.rstrip()) :].removeprefix("\n")
        doc = doc[:start] + "".join(shown) + tail + doc[end:]
    return doc


def _known(doc: str) -> tuple[str, dict[str, _Entry]]:
    """Return the indentation of a docstring and its entries by name."""
    margin, known = "", {}
    for indent, start, end in _sections(doc):
        margin = indent
        for entry in _entries(doc[start:end], indent):
            known.update(dict.fromkeys(entry.names, entry))
    return margin, known


def defaults_of(function: Any) -> dict[str, Any]:
    """Return the defaults of a function's parameters, by name."""
    code = getattr(function, "__code__", None)
    positional = () if code is None else code.co_varnames[: code.co_argcount]
    given = getattr(function, "__defaults__", None) or ()
    defaults = dict(zip(positional[len(positional) - len(given) :], given, strict=False))
    return defaults | (getattr(function, "__kwdefaults__", None) or {})


def describe_as(*sources: Any) -> Callable[[F], F]:
    """Return a decorator that fills in a docstring from the docstrings of `sources`."""

    def described(thing: F) -> F:
        if thing.__doc__:
            known = {source.__name__: source.__doc__ for source in sources}
            init: Any = thing.__init__ if isinstance(thing, type) else thing  # type: ignore[misc]
            thing.__doc__ = expand(thing.__doc__, known.__getitem__, defaults_of(init))
        return thing

    return described
