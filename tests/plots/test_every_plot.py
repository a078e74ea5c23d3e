"""What all plots of traces and weights share: files, axes, titles, styles, global state."""

import io
import sys
import warnings
from functools import partial

import keras
import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_rnnkit import plots
from tests.plots.traces import GRULike, LSTMLike, lstm

pytestmark = pytest.mark.no_backend

WORDS = ["a", "<b>truly</b>", "$fine$", "\N{CLAPPER BOARD}\n", "שלום", "مرحبا"]
TIME = len(WORDS)


def wide(units, time, batch=1):
    """A trace of an LSTM with these sizes."""
    rng = np.random.default_rng(0)
    gates = [rng.uniform(0.01, 0.99, (batch, time, units)) for _ in range(4)]
    states = [rng.normal(size=(batch, time, units)) for _ in range(2)]
    return LSTMLike(*gates, *states, None)


def triangle(time=TIME, batch=1):
    return np.tril(np.random.default_rng(1).uniform(0, 1, (batch, time, time)))


def layer(units=3):
    made = keras.layers.LSTM(units)
    made.build((None, TIME, 2))
    return made


SCORES = np.random.default_rng(2).normal(size=(2, TIME))
DRAW = {
    "attribution": partial(plots.attribution, SCORES, WORDS),
    "compare": partial(plots.compare, lstm(), lstm(), WORDS, fields=["forget", "hidden"]),
    "gradients": partial(plots.gradients, {"rnn": lstm()}, WORDS, sample=0),
    "influence": partial(plots.influence, triangle(), WORDS),
    "memory": partial(plots.memory, lstm()),
    "saturation": partial(plots.saturation, lstm()),
    "states": partial(plots.states, lstm(), WORDS),
    "weights": partial(plots.weights, layer()),
}
PANELS = {"compare": 2, "saturation": 3, "states": 2, "weights": 12}


@pytest.fixture(params=DRAW)
def name(request):
    return request.param


@pytest.fixture
def draw(name):
    return DRAW[name]


def test_every_public_plot_is_tested_here():
    assert {*DRAW, "explore", "gates", "history"} == set(plots.__all__)


def test_a_figure_shows_itself_as_it_is_saved(draw, tmp_path):
    figure = draw(path=tmp_path / "new" / "a.png")
    saved = matplotlib.image.imread(tmp_path / "new" / "a.png")
    shown = matplotlib.image.imread(io.BytesIO(figure._repr_png_()))
    assert saved.std() > 0.01
    assert shown.shape == saved.shape
    assert np.abs(shown - saved).mean() < 0.02
    assert saved.shape[0] <= 1600


def test_a_file_is_kept_on_request(draw, tmp_path):
    path = tmp_path / "a.png"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        draw(path=path, overwrite=False)
    assert path.read_text() == "precious"
    with pytest.raises(ValueError, match=r"`path` must end in '\.png'"):
        draw(path=tmp_path / "a.pdf")


def test_it_is_drawn_in_the_axes_of_a_user(name, draw):
    figure = Figure(layout="constrained", figsize=(9, 9))
    count = PANELS.get(name, 1)
    axes = list(figure.subplots(-(-count // 3), 3, squeeze=False).flat)
    ax = axes[:count] if count > 1 else axes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Keras hands torch tensors to NumPy 2 with `copy=False`, which torch does not take yet.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        assert draw(ax=ax, title="$all_{$") is figure
        figure.savefig(io.BytesIO())
    assert figure.get_suptitle() == "$all_{$"
    assert all(one.has_data() for one in axes[:count])
    assert not any(one.has_data() for one in axes[count:])


def test_it_is_drawn_in_a_part_of_a_figure(name, draw):
    figure = Figure(layout="constrained", figsize=(9, 9))
    part, _ = figure.subfigures(1, 2)
    count = PANELS.get(name, 1)
    axes = part.subplots(count, 1, squeeze=False)[:, 0]
    assert draw(ax=axes if count > 1 else axes[0]) is figure


def test_axes_of_a_wrong_number_or_type_are_refused(draw):
    axes = Figure().subplots(1, 20)
    with pytest.raises(ValueError, match=r"`ax` must be .*Received: len\(ax\)=20$"):
        draw(ax=axes)
    with pytest.raises(TypeError, match=r"`ax` must be a matplotlib Axes.*Received: ax='here'$"):
        draw(ax="here")


def test_missing_matplotlib_names_the_extra(name, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=rf'^plots.{name} .*pip install "keras-rnnkit\[plot\]"'):
        draw()


def test_global_state_is_left_alone(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would raise
    before = dict(matplotlib.rcParams)
    draw(title="A title")._repr_png_()
    assert dict(matplotlib.rcParams) == before


def test_a_dark_style_does_not_reach_the_picture(draw, tmp_path):
    dark = {
        **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "black"),
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), "white"),
        **dict.fromkeys(("axes.edgecolor", "axes.titlecolor", "legend.edgecolor"), "white"),
        "savefig.transparent": True,
    }
    draw(path=tmp_path / "light.png", title="A title")
    with matplotlib.rc_context(dark):
        draw(path=tmp_path / "dark.png", title="A title")
    light, dark = (matplotlib.image.imread(tmp_path / f"{kind}.png") for kind in ("light", "dark"))
    assert np.allclose(light, dark)
    assert np.allclose([light[0, 0], light[-1, -1]], 1)  # white and opaque


@pytest.mark.parametrize(("units", "time"), [(1, 1), (8, 5), (512, 500)], ids=str)
def test_no_size_is_too_small_or_too_large(units, time):
    trace, words = wide(units, time), (WORDS * 100)[:time]
    draw = [
        partial(plots.attribution, np.zeros((1, time)), words),
        partial(plots.compare, trace, trace, words),
        partial(plots.gradients, trace, words, sample=0),
        partial(plots.gradients, trace),
        partial(plots.influence, triangle(time), words),
        partial(plots.memory, trace),
        partial(plots.saturation, trace),
        partial(plots.states, trace, words),
        partial(plots.weights, layer(units)),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Keras hands torch tensors to NumPy 2 with `copy=False`, which torch does not take yet.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        for one in draw:
            figure = one()
            figure.draw_without_rendering()
            inside = figure.get_tightbbox()
            width, height = figure.get_size_inches()
            assert inside.x0 > -0.02 and inside.y0 > -0.02
            assert inside.x1 < width + 0.02 and inside.y1 < height + 0.02


def gru(**fields):
    made = {name: np.full((1, 4, 2), 0.5) for name in GRULike._fields[:-1]}
    return GRULike(**made | fields, mask=None)


@pytest.mark.parametrize(
    "draw", [plots.memory, plots.saturation, plots.states], ids=["memory", "saturation", "states"]
)
def test_what_is_no_trace_is_refused(draw):
    with pytest.raises(TypeError, match=r"`trace` must be a trace of a rec.*type\(trace\)=list$"):
        draw([])
    with pytest.raises(ValueError, match=r"`trace.update` must be finite"):
        draw(gru(update=np.full((1, 4, 2), np.nan)))
