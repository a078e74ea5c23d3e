"""Recurrent kernels on two devices, and stateful layers whose batch is on two, on JAX."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest

if keras.config.backend() != "jax":
    pytest.skip("Keras puts variables on several devices on JAX alone", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("kernels", {"batch": [4, 6, 3], "kernel": [8, 16]}),
        ("rows", {"batch": [2, 6, 3], "kernel": [8, 32]}),
    ],
)
def test_two_devices_give_the_numbers_of_one(kind, parts, tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "tests.layers.sharded", str(out), kind]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result.pop("difference") < 1e-5
    assert result == parts
