"""What the page about several machines says of their cost is true of every result."""

import sys

import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _results
import distributed

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend

# Bytes of a step beside the gradients: the loss, acknowledgements, and the headers of packets.
OTHERS = 25_000


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_the_bytes_of_a_step_are_those_of_the_model(backend):
    reports = _results.every("distributed", backend)
    if not reports:
        pytest.skip(f"benchmarks/distributed.py has not measured {backend} yet")
    for report in reports:
        for units in distributed.UNITS:
            cell = report["cells"][f"{units} two processes"]
            predicted = 2 * distributed.gradient_bytes(cell["parameters"])
            assert cell["bytes"] >= predicted
            assert cell["bytes"] - predicted <= 0.02 * predicted + OTHERS


def made_up(one, two, parameters=1_000_000):
    runs = {"one core": one, "two processes": two}
    return {f"8 {run}": {"ms": ms, "parameters": parameters} for run, ms in runs.items()}


def test_a_second_machine_pays_when_the_network_is_fast_enough():
    cells = made_up(one=200.0, two=120.0)
    bits = distributed.pays_from(cells, 8)
    assert bits == pytest.approx(32e6 / 0.08)
    assert distributed.gain(cells, 8, bits) == pytest.approx(1.0)
    assert distributed.gain(cells, 8, 10 * bits) > 1.5
    assert distributed.pays_from(made_up(one=10.0, two=12.0), 8) == float("inf")
