"""How many files of the package one call of a layer passes."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

PACKAGE = Path(kit.__file__).parent


def files_passed(call):
    """The files of the package, but for those of the kernels' own, that a call runs code of."""
    found = set()

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            found.add(path.relative_to(PACKAGE).as_posix())

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return {path for path in found if not path.startswith("kernels/_")}


@pytest.mark.parametrize("kind", [kit.LSTM, kit.GRU, kit.SimpleRNN])
def test_a_call_passes_seven_files(kind):
    layer = kind(4)
    x = keras.ops.convert_to_tensor(np.ones((2, 5, 3), "float32"))
    layer(x)
    found = files_passed(lambda: layer(x))
    assert f"kernels/{keras.config.backend()}.py" in found
    assert len(found) <= 7, sorted(found)
