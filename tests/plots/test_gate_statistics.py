"""The numbers that plots, and summaries of traces, compute from gates."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_rnnkit import _gate_statistics as statistics

pytestmark = pytest.mark.no_backend

GATE = np.random.default_rng(0).uniform(0.01, 0.99, (50, 6))


def test_a_half_life_is_the_time_after_which_half_is_left():
    lives = statistics.half_lives(statistics.log_retention(GATE).mean(axis=0))
    geometric = np.exp(np.log(GATE).mean(axis=0))
    assert np.allclose(geometric**lives, 0.5)
    constant = np.full((9, 1), 0.5**0.1)
    assert np.allclose(statistics.half_lives(statistics.log_retention(constant).mean(axis=0)), 10)


def test_a_factor_of_zero_erases_everything_and_one_nothing():
    values = np.stack([[0.5, 0.0, 0.9], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], axis=1)
    lives = statistics.half_lives(statistics.log_retention(values).mean(axis=0))
    assert lives.tolist() == [0, np.inf, 0]


def test_float32_gates_are_summed_in_float64():
    values = np.full((100_000, 1), 0.999, "float32")
    lives = statistics.half_lives(statistics.log_retention(values).mean(axis=0))
    assert np.allclose(lives, np.log(0.5) / np.log(np.float64(np.float32(0.999))), rtol=1e-9)


def test_saturation_counts_steps():
    values = np.array([[0.05, 0.5], [0.95, 0.5], [0.99, 0.5], [0.1, 0.9]])
    assert statistics.saturation(values).tolist() == [[0.25, 0], [0.5, 0]]
    assert statistics.saturation(values, low=0.6, high=0.6).tolist() == [[0.5, 0.75], [0.5, 0.25]]


@pytest.mark.parametrize(
    ("names", "name", "factor"),
    [
        (("input", "forget", "candidate", "output", "hidden", "cell"), "forget", GATE),
        (("input", "forget", "candidate", "hidden"), "forget", GATE),
        (("update", "reset", "candidate", "hidden"), "update", GATE),
        (("update", "candidate", "hidden"), "1 - update", 1 - GATE),
    ],
    ids=["lstm", "min_lstm", "gru", "min_gru"],
)
def test_the_factor_of_the_old_state_is_that_of_the_equations(names, name, factor):
    found = statistics.retention(dict.fromkeys(names, GATE))
    assert found[0] == name and np.allclose(found[1], factor)


def test_the_rate_of_zoneout_is_mixed_in():
    origin = SimpleNamespace(cell="LSTMCell", zoneout=(0.5, 0.2))
    _, values = statistics.retention({"forget": GATE}, origin)
    assert np.allclose(values, 0.2 + 0.8 * GATE)


def test_a_cell_without_such_a_gate_has_none():
    assert statistics.retention({"candidate": GATE, "hidden": GATE}) is None
    origin = SimpleNamespace(cell="LayerNormLSTMCell", zoneout=None)
    assert statistics.retention({"forget": GATE}, origin) is None
