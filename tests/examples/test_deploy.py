"""The example that trains, exports, and runs the files in onnxruntime."""

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

EXAMPLES = str(Path(__file__).resolve().parents[2] / "examples")


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import deploy

    yield deploy
    for name in ("deploy", "installed_backend"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("quantize", [False, True])
def test_it_exports_and_compares(example, quantize, tmp_path, capsys):
    example.main(["--out", str(tmp_path), "--epochs", "1", *["--quantize"] * quantize])
    printed = capsys.readouterr().out
    assert "1. Training on" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "step.onnx"}
    difference = float(printed.split("differ by at most ")[1].split()[0].rstrip("."))
    assert difference < (0.05 if quantize else 1e-5)
    assert "4. The first test review, word by word: 0." in printed
