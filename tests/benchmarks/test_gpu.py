"""The script for a GPU, where there is none: its parts, its limits, and its tiny grid."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import _gpu_grid  # noqa: E402
import gpu  # noqa: E402

sys.path.remove(str(ROOT / "benchmarks"))

BACKEND = keras.config.backend()
ON_TORCH = pytest.mark.skipif(BACKEND != "torch", reason="the same on every backend")


@pytest.mark.slow  # half a minute: it starts Python four times
@pytest.mark.skipif(BACKEND not in gpu.BACKENDS, reason="no part of the script")
def test_the_tiny_grid_runs_anywhere_and_saves_its_rows(tmp_path):
    command = [sys.executable, "benchmarks/gpu.py", "--tiny", "--backends", BACKEND]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    (path,) = tmp_path.glob(f"*/gpu_{BACKEND}.json")
    report = json.loads(path.read_text())
    assert report["backend"] == BACKEND
    assert list(report["cells"]) == [row.key for row in _gpu_grid.rows_of(BACKEND, tiny=True)]
    for key, figures in report["cells"].items():
        assert "error" not in figures, f"{key}: {figures}"
        for mode in ("train", "predict"):
            assert min(figures[mode]["median_ms"].values()) > 0
            assert {"kit", "keras"} <= set(figures[mode]["median_ms"])


@ON_TORCH
def test_a_part_is_stopped_at_its_limit_and_its_output_is_kept():
    code, output = gpu.run(
        [sys.executable, "-c", "import time; print('a', flush=True); time.sleep(60)"], "torch", 2
    )
    assert (code, output) == (None, "a\n")


@ON_TORCH
def test_the_parts_of_two_backends_take_eight_minutes_at_most():
    assert len(gpu.BACKENDS) * sum(gpu.LIMITS.values()) <= 480


@ON_TORCH
def test_the_tests_that_it_runs_are_there():
    assert all((ROOT / file).is_file() for file in (*gpu.TESTS, *gpu.TINY_TESTS))


@ON_TORCH
@pytest.mark.parametrize("backend", gpu.BACKENDS)
def test_the_grid_has_every_row_once(backend):
    rows = _gpu_grid.rows_of(backend, tiny=False)
    assert len(rows) == len(set(rows)) == 2 * 3 * 5 + 1


@ON_TORCH
def test_rows_are_stored_by_device(tmp_path):
    path = gpu.results_file(tmp_path, "NVIDIA H100 80GB HBM3", "jax")
    assert path == tmp_path / "nvidia-h100-80gb-hbm3" / "gpu_jax.json"
