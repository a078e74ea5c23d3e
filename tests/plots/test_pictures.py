"""Pictures of `plots.gates` as files and in notebooks, whatever the style."""

import io
import sys

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.traces import WORDS, lstm

pytestmark = pytest.mark.no_backend


def test_saves_a_picture_over_another_unless_told_not_to(tmp_path):
    path = tmp_path / "new" / "gates.png"
    plots.gates(lstm(), WORDS, title="$one_{$", path=path)
    assert matplotlib.image.imread(path).std() > 0.01
    first = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        plots.gates(lstm(), path=path, overwrite=False)
    assert path.read_bytes() == first
    plots.gates(lstm(), path=path)
    assert path.read_bytes() != first


def test_a_dark_style_does_not_reach_the_picture(tmp_path):
    dark = {
        "axes.facecolor": "black",
        "figure.facecolor": "black",
        "savefig.facecolor": "black",
        "savefig.transparent": True,
        "text.color": "white",
        "axes.labelcolor": "white",
        "xtick.color": "white",
        "ytick.color": "white",
    }
    options = {"title": "A title", "head": lambda hidden: hidden.sum(axis=1)}
    plots.gates(lstm(), WORDS, path=tmp_path / "light.png", **options)
    plots.history({"loss": [2.0, 1.0]}, path=tmp_path / "light_history.png")
    with matplotlib.rc_context(dark):
        plots.gates(lstm(), WORDS, path=tmp_path / "dark.png", **options)
        plots.history({"loss": [2.0, 1.0]}, path=tmp_path / "dark_history.png")
    for name in (".png", "_history.png"):
        light, dark = (
            matplotlib.image.imread(tmp_path / f"{kind}{name}") for kind in ("light", "dark")
        )
        assert np.allclose(light, dark)
        edge = [light[0], light[-1], light[:, 0], light[:, -1]]
        assert all(np.allclose(side, 1) for side in edge)  # white and opaque


def test_global_state_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would raise
    before = dict(matplotlib.rcParams)
    plots.gates(lstm(), WORDS)._repr_png_()
    assert dict(matplotlib.rcParams) == before


def test_a_figure_shows_itself_as_it_is_saved(tmp_path):
    figure = plots.gates(lstm(), WORDS, path=tmp_path / "gates.png")
    shown = matplotlib.image.imread(io.BytesIO(figure._repr_png_()))
    saved = matplotlib.image.imread(tmp_path / "gates.png")
    assert shown.shape == saved.shape
    assert np.abs(shown - saved).mean() < 0.02  # the layout of a second drawing is finer by a dot
