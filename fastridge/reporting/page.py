"""Write the data of a report, and the page's script and style, into one HTML file."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

_SCRIPTS = (
    "arithmetic.js",
    "base.js",
    "predictions.js",
    "sweep.js",
    "decay.js",
    "geometry.js",
    "prior.js",
    "data.js",
    "start.js",
)


def encode(value: Any) -> Any:
    """Return a value that JSON can hold; arrays as base64 of little-endian numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reporting.page import encode
    >>> encode({"a": np.array([1.0, np.nan]), "b": float("inf")})
    {'a': {'f8': 'AAAAAAAA8D8AAAAAAAD4fw==', 'shape': [2]}, 'b': None}
    """
    if isinstance(value, np.ndarray):
        kind = "f4" if value.dtype == np.float32 else "f8"
        raw = np.ascontiguousarray(value, dtype=f"<{kind}").tobytes()
        return {kind: base64.b64encode(raw).decode("ascii"), "shape": list(value.shape)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.bool_):
        return bool(value)
    return value


def embed(data: Any) -> str:
    """Return JSON that cannot end the script element that holds it.

    Examples
    --------
    >>> from fastridge.reporting.page import embed
    >>> embed({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(encode(data), separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@lru_cache(maxsize=1)
def _parts() -> tuple[str, str, str, str]:
    """Return template, style, library and script, of the package's own files."""
    here = files(__package__)
    page = here / "page"
    library = (here / "vendor/chartjs/chart.umd.min.js").read_text(encoding="utf-8")
    library = library.split("//# sourceMappingURL")[0]
    script = "\n".join((page / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = (page / "style.css").read_text(encoding="utf-8")
    return (page / "template.html").read_text(encoding="utf-8"), style, library, script


def page_of(title: str, data: dict[str, Any]) -> str:
    """Return the HTML of a report.

    The policy of the page allows its own two scripts alone, by their hashes, and no connection.
    """
    template, style, library, script = _parts()
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (library, script)
    )
    values = {
        "hashes": hashes,
        "style": style,
        "library": library,
        "script": script,
        "title": html.escape(title),
        "data": embed(data),
    }
    # marks are looked for in the template alone, not in what is put in
    return "".join(
        values[part] if k % 2 else part for k, part in enumerate(re.split(r"{{(\w+)}}", template))
    )
