"""Gate blocks between the layouts of Keras, PyTorch and ONNX."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_rnnkit.interop.gate_blocks import (
    ORDERS,
    CellWeights,
    from_torch_layout,
    gate_count,
    reordered,
    to_torch_layout,
)

pytestmark = pytest.mark.no_backend


@given(
    st.sampled_from(list(ORDERS)),
    st.sampled_from(["keras", "torch", "onnx"]),
    st.sampled_from(["keras", "torch", "onnx"]),
    st.integers(1, 3),
)
def test_every_block_goes_where_its_name_is(kind, source, target, units):
    """The value of a block is the place of its gate in the source."""
    values = np.repeat(np.arange(gate_count(kind)), units)
    found = reordered(np.stack([values, values]), kind, source, target)
    names = [ORDERS[kind][source][value] for value in found[0, ::units]]
    assert names == list(ORDERS[kind][target])
    assert found.shape == (2, len(values)) and (found[0] == found[1]).all()
    back = reordered(found, kind, target, source)
    assert (back[0] == values).all()


@pytest.mark.parametrize("kind", ORDERS)
def test_the_layout_of_pytorch_and_back(kind):
    rng = np.random.default_rng(0)
    columns = 2 * gate_count(kind)
    bias = rng.normal(size=(2, columns) if kind == "gru" else columns)
    weights = CellWeights(rng.normal(size=(3, columns)), rng.normal(size=(2, columns)), bias)
    parts = to_torch_layout(kind, weights)
    assert parts["weight_ih"].shape == (columns, 3) and parts["bias_hh"].shape == (columns,)
    for one, other in zip(from_torch_layout(kind, parts), weights, strict=True):
        assert one is other is None or (one == other).all()


def test_the_picture_in_the_docs_is_that_of_the_table():
    docs = Path(__file__).resolve().parents[2] / "docs"
    script = runpy.run_path(str(docs / "draw_gate_blocks.py"))
    assert script["PICTURE"].read_text("utf-8") == script["picture"]()
