"""The script of the accuracies of batches: every kind trains, and settings do not mix."""

import sys

import keras
import numpy as np
import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _results
import batch_accuracy

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend  # the script is the same on every one
RNG = np.random.default_rng(0)
REVIEWS = [RNG.integers(3, 50, length) for length in RNG.integers(2, 9, 30)], np.arange(30) % 2


@pytest.mark.parametrize("kind", batch_accuracy.KINDS)
def test_every_kind_is_trained_and_tested_on_all_reviews(kind, monkeypatch):
    monkeypatch.setattr(batch_accuracy, "EPOCHS", 1)
    monkeypatch.setattr(batch_accuracy, "MAXLEN", 12)
    monkeypatch.setattr("packing.LENGTH", 40)
    found = batch_accuracy.trained(kind, REVIEWS, REVIEWS, 0)
    assert found["epoch"] == 1 and found["rate"] >= 1e-3
    correct = found["accuracy"] * 30
    assert 0 < correct < 30 and correct == pytest.approx(round(correct), abs=0.01)


def test_other_settings_are_refused(tmp_path, monkeypatch):
    path, backend = tmp_path / "some.json", keras.config.backend()
    report = batch_accuracy.started(path, backend, 30)
    _results.save(path, report)
    assert batch_accuracy.started(path, backend, 30) == report
    with pytest.raises(SystemExit, match=r"other settings \(rows\)"):
        batch_accuracy.started(path, backend, 31)
