"""Under `keras.distribution.DataParallel` a training step exchanges the gradients, once."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest

if keras.config.backend() != "jax":
    pytest.skip("JAX alone divides the rows inside a program", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]


def exchanged(kind, folder):
    """What two devices exchange in a step."""
    out = folder / "exchanged.json"
    command = [sys.executable, "-m", "tests.layers.data_parallel", str(out), kind]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def test_two_devices_exchange_the_gradients_once(tmp_path):
    result = exchanged("kernels", tmp_path)
    assert result["difference"] < 1e-6
    assert {(in_loop, kind) for in_loop, kind, _ in result["collectives"]} == {
        (False, "all-reduce")
    }
    sent = sum(size for *_, size in result["collectives"])
    assert sent == pytest.approx(result["gradients"], rel=0.05)


def test_a_loop_over_a_cell_exchanges_its_gradients_at_each_step(tmp_path):
    # As the page about several machines says. If JAX no longer does so, the page has to change.
    result = exchanged("loops", tmp_path)
    in_loops = sum(size for in_loop, _, size in result["collectives"] if in_loop)
    assert in_loops == pytest.approx(result["gradients"], rel=0.05)
