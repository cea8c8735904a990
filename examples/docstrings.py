#!/usr/bin/env python3
"""Which library does a docstring come from?
=========================================

Text classification with words as features.

The texts are the docstrings of public functions and classes of NumPy, SciPy and scikit-learn, which
are installed in any case. Their words make a sparse matrix with far more columns than rows, where
only a penalty tells words that matter from words that are there by chance: logistic regression is
fitted for 12 penalties, and cross-validation by files chooses one. Words that name a library are
left out, as they give the answer away.

::

    pip install '.[examples]' && python examples/docstrings.py
"""

import argparse
import importlib
import inspect
import pkgutil
import re
import time
import warnings

import numpy as np
import scipy.sparse

import fastridge

LIBRARIES = ("numpy", "scipy", "sklearn")
TELLTALE = {"numpy", "np", "scipy", "sklearn", "scikit", "learn", "ndarray", "estimator"}


def documents(library, most):
    """Return the docstrings of public callables of a library, and the modules that define them."""
    texts, modules = {}, {}
    package = importlib.import_module(library)
    names = [m.name for m in pkgutil.walk_packages(package.__path__, library + ".", lambda _: None)]
    for name in [library, *names]:
        if len(texts) >= most or re.search(r"\._|\.tests?\b|conftest|distutils|f2py", name):
            continue
        try:
            module = importlib.import_module(name)
        except Exception:  # optional parts of a library may lack what they need
            continue
        for attribute in dir(module):
            thing = getattr(module, attribute, None)
            home = getattr(thing, "__module__", None)
            if attribute.startswith("_") or not callable(thing) or not isinstance(home, str):
                continue
            text = inspect.getdoc(thing)
            if home.split(".")[0] == library and text and len(text) > 200:
                texts.setdefault(f"{home}.{attribute}", text)
                modules[f"{home}.{attribute}"] = home
    keys = list(texts)[:most]
    return [texts[key] for key in keys], [modules[key] for key in keys]


def count_words(texts, fewest=3):
    """Return a CSR matrix of log(1 + count) and the words, those of at least `fewest` texts."""
    bags = []
    for text in texts:
        words, counts = np.unique(re.findall(r"[a-z]{3,}", text.lower()), return_counts=True)
        bags.append(dict(zip(words.tolist(), counts.tolist(), strict=True)))
    found = {}
    for bag in bags:
        for word in bag:
            found[word] = found.get(word, 0) + 1
    words = sorted(w for w, n in found.items() if n >= fewest and w not in TELLTALE)
    column = {word: j for j, word in enumerate(words)}
    rows = [[(column[w], np.log1p(n)) for w, n in bag.items() if w in column] for bag in bags]
    indptr = np.cumsum([0, *map(len, rows)])
    indices = np.array([j for row in rows for j, _ in row], dtype=np.int32)
    values = np.array([v for row in rows for _, v in row])
    shape = len(texts), len(words)
    return scipy.sparse.csr_array((values, indices, indptr), shape=shape), np.array(words)


def draw(model, file):
    """Draw the deviances of the penalties; False where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    display = fastridge.CrossValidationDisplay.from_estimator(model)
    display.figure_.savefig(file, dpi=150)
    return True


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Which library does a docstring come from?")
    parser.add_argument("--most", type=int, default=1000, help="docstrings of a library")
    parser.add_argument("--figure", default="docstrings.png", help="file of the picture")
    options = parser.parse_args(arguments)
    texts, labels, files = [], [], []
    for library in LIBRARIES:
        with warnings.catch_warnings():
            # names that are deprecated say so when they are looked up
            warnings.simplefilter("ignore")
            found, modules = documents(library, options.most)
        print(f"{library}: {len(found)} docstrings")
        texts += found
        labels += [library] * len(found)
        files += modules
    X, words = count_words(texts)
    y = np.array(labels)
    print(f"{X.shape[0]:,} texts, {X.shape[1]:,} words, {X.nnz:,} counts")
    # docstrings of a module share sentences: a fold holds all of a module or none
    module = np.unique(files, return_inverse=True)[1]
    fold = np.random.default_rng(0).permutation(module.max() + 1)[module] % 5
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
    start = time.perf_counter()
    model = fastridge.LogisticRegressionCV(
        Cs=np.logspace(-4, 3, 12),
        cv=splits,
        l1_ratios=(0.0,),
        scoring="neg_log_loss",
        use_legacy_attributes=False,
    ).fit(X, y)
    print(f"{5 * 12 + 1} fits in {time.perf_counter() - start:.1f} s\n\n{model.diagnosis_}\n")
    # of two classes, only the second has coefficients
    coef = model.coef_ if len(model.coef_) > 1 else np.vstack([-model.coef_, model.coef_])
    for library, w in zip(model.classes_, coef, strict=True):
        print(f"{library:8} {' '.join(words[np.argsort(-w)[:12]])}")
    if draw(model, options.figure):
        print(f"\nThe picture is in {options.figure}.")


if __name__ == "__main__":
    main()
