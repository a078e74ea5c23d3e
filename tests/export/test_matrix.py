"""Keras' own exports of every kind of layer, in every format, as the page "Deploy a model" says."""

import importlib.util
import sys
from pathlib import Path

import keras
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from _export_formats import FORMATS, NEEDS
from _export_models import KINDS
from _results import fullest
from export_matrix import outcome

sys.path.pop(0)

BACKEND = keras.config.backend()
LIBRARIES = {
    "SavedModel": ["tensorflow"],
    "ONNX": {
        "jax": ["jax2onnx", "onnxruntime"],
        "tensorflow": ["tf2onnx", "onnxruntime"],
        "torch": ["onnxscript", "onnxruntime"],
    }[BACKEND],
    "LiteRT": ["ai_edge_litert", *(["litert_torch"] if BACKEND == "torch" else [])],
    "OpenVINO": ["openvino"],
    "torch": ["torch"],
}
CELLS = [(name, kind) for name in FORMATS if BACKEND in NEEDS[name] for kind in KINDS]


@pytest.mark.no_backend
def test_a_format_that_was_measured_has_every_kind_of_layer():
    for backend, report in fullest("export_matrix").items():
        formats = {key.partition("/")[0] for key in report["cells"]}
        assert all(backend in NEEDS[name] for name in formats)
        assert report["cells"].keys() == {f"{name}/{kind}" for name in formats for kind in KINDS}


# Exporters and what they import warn of their own code.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_a_file_that_was_right_is_right(name, kind, tmp_path):
    missing = [library for library in LIBRARIES[name] if not importlib.util.find_spec(library)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    cells = fullest("export_matrix").get(BACKEND, {"cells": {}})["cells"]
    if f"{name}/{kind}" not in cells:
        pytest.skip("not measured yet: benchmarks/export_matrix.py")
    recorded = cells[f"{name}/{kind}"]["outcomes"]
    way = next((way for way, why in recorded.items() if not why), None)
    if way is None:
        pytest.skip(f"does not work: {next(iter(recorded.values()))}")
    assert outcome(way, name, kind, tmp_path) == ""
