"""What `Bucketed` refuses."""

import numpy as np
import pytest

import keras_rnnkit as kit
from tests.data.bucketing import sequences

pytestmark = pytest.mark.no_backend


Bucketed = kit.data.Bucketed


def test_an_index_out_of_range():
    with pytest.raises(IndexError):
        Bucketed(sequences())[99]
    with pytest.raises(TypeError, match=r"Received: index=slice\(None, 2, None\)"):
        Bucketed(sequences())[:2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": []}, "at least 1. Received: rows="),
        ({"x": np.ones((4, 3))}, "`x` must have an input of sequences"),
        ({"x": "text"}, "`x` must be a list of sequences"),
        ({"x": [[1], ["a"]]}, r"`x\[1\]` must be a sequence of integers"),
        ({"x": [[1], [1.5]]}, "`x` must have sequences of one kind"),
        ({"x": [[1], [2**40]]}, r"`x\[1\]` must have ids that fit int32"),
        ({"x": [np.ones((2, 3)), np.ones((2, 4))]}, "feature vectors of one size"),
        ({"x": {"a": [[1]], "b": np.ones(2)}}, r"one number of rows. Received: len\(x\)"),
        ({"y": [1, 2]}, r"one number of rows, at least 1. Received: rows=\[4, 2\]"),
        ({"y": ["a", "b", "c", "d"]}, "`y` must be"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 5, "drop_last": True}, "batch_size=5"),
        ({"lengths": 0}, "lengths=0"),
        ({"lengths": []}, r"lengths=\[\]"),
        ({"lengths": [1.5]}, r"lengths=\[1.5\]"),
        ({"lengths": [2]}, r"of 3 items.*maxlen=2.*Received: lengths=\[2\]"),
        ({"maxlen": 0}, "maxlen=0"),
        ({"truncating": "left"}, "truncating='left'"),
        ({"seed": -1}, "seed=-1"),
        ({"value": 0.5}, "`value` must be an integer.*value=0.5"),
        ({"value": 2**31}, "`value` must be an integer.*int32.*value=2147483648"),
        ({"sample_weight": np.ones(4)}, "pass them with `y`"),
        ({"y": [0] * 4, "class_weight": [1]}, "`class_weight` must be a dict"),
        ({"y": [0] * 4, "class_weight": {"0": 2.0}}, "class_weight={'0': 2.0}"),
        ({"y": [0] * 4, "class_weight": {0.5: 2.0}}, "class_weight={0.5: 2.0}"),
        ({"y": [0] * 4, "class_weight": {0: None}}, "class_weight={0: None}"),
        ({"y": [0] * 4, "class_weight": {0: -1.0}}, "class_weight={0: -1.0}"),
        ({"y": [0] * 4, "class_weight": {0: float("nan")}}, "class_weight={0: nan}"),
        ({"y": [[0], [0, 1]] * 2, "class_weight": {0: 1}}, "`class_weight` needs a `y`"),
        ({"workers": -1}, "workers=-1"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Bucketed(**{"x": [[1], [2, 3], [4], [5, 6, 7]]} | arguments)
