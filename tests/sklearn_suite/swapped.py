"""pytest plugin: scikit-learn's own tests, run with fastridge's estimators and functions.

The names that scikit-learn's test modules import are replaced before these modules are, and the
failures that `expected` lists become expected ones. An expected failure that passes (unless it is
an open fault), that fails in another way, or that does not exist fails the run, as any other
failure does.
"""

import re

import pytest
import sklearn.linear_model
import sklearn.model_selection
import sklearn.utils.estimator_checks
from expected import DIFFERENCES
from linear_loss import LinearModelLoss

import fastridge

NAMES = [name for name in sklearn.linear_model.__all__ if hasattr(fastridge, name)]

_difference = pytest.StashKey()


def pytest_collection():
    for name in NAMES:
        cls, other = getattr(fastridge, name), getattr(sklearn.linear_model, name)
        if hasattr(other, "_get_loss"):
            # tests compute with scikit-learn's loss of an estimator
            cls._get_loss = other._get_loss
            cls._base_loss = property(other._get_loss)
        if hasattr(other, "loss_functions"):
            cls.loss_functions = other.loss_functions
        setattr(sklearn.linear_model, name, cls)


def pytest_report_header():
    return f"swapped: {', '.join(NAMES)}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    used = set()
    files = set()
    for item in items:
        file = item.path.stem
        files.add(file)
        if file == "test_linear_loss":
            # other files minimise scikit-learn's objective, to compare the minima
            item.module.LinearModelLoss = LinearModelLoss
        name, _, parameters = item.name.partition("[")
        for difference in DIFFERENCES.get(file, {}).get(name, ()):
            if re.search(difference.of, parameters.removesuffix("]")):
                used.add((file, name, difference))
                item.stash[_difference] = difference
                reason = f"{difference.kind}: {difference.reason}"
                strict = difference.kind != "open"
                item.add_marker(pytest.mark.xfail(reason=reason, strict=strict))
                break
    if config.option.keyword or any("::" in arg for arg in config.args):
        return
    listed = {
        (f, name, d) for f in files for name, ds in DIFFERENCES.get(f, {}).items() for d in ds
    }
    if listed - used:
        lines = sorted(f"{file}::{name} [{d.of}]" for file, name, d in listed - used)
        raise pytest.UsageError("expected differences of no test: " + ", ".join(lines))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    difference = item.stash.get(_difference, None)
    if difference is not None and report.skipped and call.excinfo is not None:
        said = str(call.excinfo.value)
        if hasattr(report, "wasxfail") and not re.search(difference.says, said, re.DOTALL):
            del report.wasxfail
            report.outcome = "failed"
            report.longrepr = f"expected to fail as /{difference.says}/, but: {said}"
    return report
