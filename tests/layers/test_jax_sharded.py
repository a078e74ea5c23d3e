"""Recurrent kernels whose columns are on two devices, and states whose rows are, on JAX."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest

if keras.config.backend() != "jax":
    pytest.skip("Keras puts variables on several devices on JAX alone", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("kind", "whole"), [("kernels", False), ("rows", True)])
def test_two_devices_give_the_numbers_of_one(kind, whole, tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "tests.layers.sharded", str(out), kind]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result["devices"] == 2
    assert result["whole"] == whole  # the recurrent kernels
    assert result["difference"] < 1e-5
