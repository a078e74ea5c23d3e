"""The table of the adding problem says what its results say."""

import sys

import numpy as np
import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import adding
import cells_page

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend


def test_a_run_is_solved_at_the_first_of_three_evaluations_in_a_row():
    assert adding.solved_after([0.2, 0.009, 0.2, 0.009, 0.009]) is None
    assert adding.solved_after([0.2, 0.009, 0.2, 0.009, 0.009, 0.001]) == 400
    assert adding.solved_after([0.009, 0.009]) is None
    assert adding.solved_after([float("nan")] * 3) is None


def test_the_problem_is_the_sum_of_the_two_marked_numbers():
    x, y = adding.draw(np.random.default_rng(0), (4, 50), 20)
    assert x.shape == (4, 50, 20, 2)
    assert y.shape == (4, 50, 1)
    values, marks = x[..., 0], x[..., 1]
    assert np.all(marks[..., :10].sum(-1) == 1)
    assert np.all(marks[..., 10:].sum(-1) == 1)
    np.testing.assert_allclose(y[..., 0], (values * marks).sum(-1))
    np.testing.assert_allclose(np.mean((y - 1) ** 2), 1 / 6, rtol=0.2)


def test_an_entry_counts_the_solved_runs():
    runs = [{"solved_after": n, "error": e} for n, e in ((None, 0.17), (1200, 0.0), (800, 0.0))]
    assert cells_page.outcome(runs) == "2 of 3, 1,000 steps"
    assert cells_page.outcome(runs[:1]) == "0 of 1, error 0.170"


def test_times_of_another_processor_are_named():
    rows = {"LSTM": {"cost": {}}, "RGLRU": {"cost": {}, "processor": "B"}}
    reports = {"jax": {"machine": {"cpu": "A"}, "rows": rows}}
    text = cells_page.elsewhere(reports)
    assert "The times of `RGLRU` are those of another processor, B," in text
    assert text.endswith("the rest is\nof A.")
    del rows["RGLRU"]
    assert cells_page.elsewhere(reports) == ""
