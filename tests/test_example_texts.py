"""examples/docstrings.py and examples/compare.py: parts of them, and a quick run of each."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(f"{name}_example", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_words_are_counted():
    X, words = example("docstrings").count_words(["One two two", "two NUMPY one", "one"], fewest=2)
    assert words.tolist() == ["one", "two"]
    np.testing.assert_allclose(X.toarray(), np.log1p([[1, 2], [1, 1], [1, 0]]))


@pytest.mark.slow
def test_docstrings_tell_their_library(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module = example("docstrings")
    monkeypatch.setattr(module, "LIBRARIES", ("numpy", "scipy"))
    module.main(["--most", "60", "--figure", "here.png"])
    told = capsys.readouterr().out
    assert "120 texts" in told
    assert "mean deviance" in told
    assert (tmp_path / "here.png").exists()


@pytest.mark.slow
def test_fits_are_compared(tmp_path, capsys):
    example("compare").main(["--first", "1", "--figure", str(tmp_path / "here.png")])
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("Ridge, diabetes, 442 x 10")
    assert float(line.split()[-2].rstrip(",")) < 1e-9  # the objective above the better one
    assert (tmp_path / "here.png").exists()
