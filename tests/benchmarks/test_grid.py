"""No committed row of the grid is slower than the same layer of `keras.layers`."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import _grid  # noqa: E402
import _results  # noqa: E402
import _tables  # noqa: E402

sys.path.remove(str(BENCHMARKS))

pytestmark = pytest.mark.no_backend


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_no_row_on_any_processor_is_slower_than_keras(backend):
    reports = _results.every("layers", backend)
    assert any(len(report["cells"]) > 20 for report in reports)
    slower = {report["machine"]["cpu"]: _tables.slower(report["cells"]) for report in reports}
    assert not any(slower.values()), slower


@pytest.mark.parametrize(("ratio", "listed"), [(0.94, True), (0.96, False)])
def test_a_slower_row_is_listed(ratio, listed):
    layer, shape = _grid.LAYERS[0], next(iter(_grid.SHAPES))
    variant, mode = next(iter(_grid.VARIANTS)), _grid.MODES[0]
    cells = {_grid.cell_key(layer, shape, variant): {mode: {"keras_over_kit": {"median": ratio}}}}
    assert bool(_tables.slower(cells)) == listed
