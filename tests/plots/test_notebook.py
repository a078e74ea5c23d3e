"""A notebook shows each picture, once, and prints a trace as Python does."""

import base64

import pytest

pytest.importorskip("ipykernel", reason="needs a kernel, which the extra `test` brings")
nbclient = pytest.importorskip("nbclient", reason="runs a notebook, which the extra `test` brings")
nbformat = pytest.importorskip("nbformat", reason="makes a notebook, as the extra `test` can")

pytestmark = pytest.mark.no_backend

SET_UP = """
import numpy as np
import keras_rnnkit as kit
trace = kit.GRU(4).trace(np.ones((1, 5, 3), "float32"))
run = {"loss": [0.69, 0.52, 0.41], "val_loss": [0.68, 0.55, 0.57]}
"""
GATES = "kit.plots.gates(trace)"
HISTORY = "kit.plots.history(run)"


def outputs_of(*cells):
    """Runs the cells in a kernel of this Python; returns the outputs of each."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


def pictures_in(outputs):
    """The PNG files among the outputs of a cell."""
    data = [output.get("data", {}) for output in outputs]
    return [base64.b64decode(one["image/png"]) for one in data if "image/png" in one]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_notebook_shows_each_picture_once():
    inline = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.get_fignums()"
    cells = [SET_UP, GATES, HISTORY, f"figure = {GATES}", "figure", "trace", "print(trace)"]
    before, gates, history, quiet, named, shown, printed, *after = outputs_of(
        *cells, inline, GATES, HISTORY, "plt.get_fignums()"
    )
    del before
    for outputs in (gates, history, named, after[1], after[2]):
        assert len(outputs) == 1
        assert len(pictures_in(outputs)) == 1
        assert pictures_in(outputs)[0].startswith(b"\x89PNG")
    assert not quiet
    assert after[0][0]["data"]["text/plain"] == after[3][0]["data"]["text/plain"] == "[]"
    assert shown[0]["data"]["text/plain"] == printed[0]["text"].strip()
    assert shown[0]["data"]["text/plain"].startswith("GRUTrace(\n  update")
