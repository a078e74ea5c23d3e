"""`attribution`: a text in the colours of its scores."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_rnnkit import plots

pytestmark = pytest.mark.no_backend

SCORES = np.array([[0.1, 2.0, -1.0, -0.05], [1.0, 0.0, 0.0, -3.0]])
WORDS = ["a", "<b>fine</b>", "$film$", "end"]


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def colors(figure):
    return np.array([box.get_facecolor() for box in figure.axes[0].patches])


def underlined(figure):
    """The number of each word below which there is a line."""
    corners = np.array([box.get_xy() for box in figure.axes[0].patches])
    starts = [line.get_xydata()[0] for line in figure.axes[0].lines]
    return [int(np.hypot(*(corners - start).T).argmin()) for start in starts]


def figure_sums(figure):
    return figure.texts[-1].get_text()


def inside(axes):
    """Whether all boxes are in the axes."""
    outer = axes.get_window_extent().padded(1)
    boxes = [box.get_window_extent() for box in axes.patches]
    return all(outer.contains(*corner) for box in boxes for corner in (box.min, box.max))


def test_the_colour_is_the_score():
    figure = plots.attribution(SCORES, WORDS)
    assert words(figure) == WORDS
    red, _, blue = colors(figure)[:, :3].T
    assert red[1] - blue[1] > 0.2 and blue[2] - red[2] > 0.2
    assert np.abs(red - blue)[[0, 3]].max() < 0.15
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["-2", "0", "2"]


def test_words_against_the_output_are_underlined():
    assert underlined(plots.attribution(SCORES, WORDS)) == [2]
    assert underlined(plots.attribution(SCORES, WORDS, sample=1)) == [3]


def test_what_attribute_returns():
    result = SimpleNamespace(scores=SCORES, tokens=[WORDS, WORDS[::-1]], total=np.array([1.05, -2]))
    figure = plots.attribution(result, sample=1)
    assert words(figure) == WORDS[::-1]
    assert figure_sums(figure) == "sum of the scores -2, total -2"
    assert words(plots.attribution(result, list("wxyz"))) == list("wxyz")
    assert words(plots.attribution(SimpleNamespace(scores=SCORES, tokens=None))) == list("0123")


def test_padding_is_left_out():
    mask = np.array([[0, 1, 1, 0]] * 2, dtype=bool)
    assert words(plots.attribution(SCORES, WORDS, mask=mask)) == WORDS[1:3]
    scores = np.array([[1.0, 0.0, 2.0, 0.0]])
    assert words(plots.attribution(scores, ["a", "b", "", ""])) == ["a", "b", ""]


def test_phrases_have_a_colour_each():
    result = SimpleNamespace(
        scores=np.array([[1.0, -1.0]]), spans=[(0, 2), (1, 4)], tokens=None, total=None
    )
    assert words(plots.attribution(result, WORDS)) == ["a <b>fine</b>", "<b>fine</b> $film$ end"]
    assert words(plots.attribution(result)) == ["0 to 1", "1 to 3"]
    assert not figure_sums(plots.attribution(result))
    result.spans = [(0, 9), (1, 4)]
    with pytest.raises(ValueError, match=r"`attribution.spans`.*the last stop=9, len\(tokens\)=4$"):
        plots.attribution(result, WORDS)


def test_words_are_in_lines_and_do_not_overlap():
    figure = plots.attribution(np.zeros((1, 300)), (WORDS * 75)[:300])
    axes = figure.axes[0]
    boxes = [box.get_bbox() for box in axes.patches]
    places = [(-box.y0, box.x0) for box in boxes]
    assert places == sorted(places)
    assert inside(axes)
    for before, after in itertools.pairwise(boxes):
        assert after.y1 < before.y0 or after.x0 > before.x1
    renderer = FigureCanvasAgg(figure).get_renderer()  # otherwise each text makes its own
    for text, box in zip(axes.texts, axes.patches, strict=True):
        inner, outer = text.get_window_extent(renderer), box.get_window_extent(renderer)
        assert outer.x0 < inner.x0 and inner.x1 < outer.x1


def test_a_text_from_right_to_left_begins_at_the_right():
    hebrew = ["הסרט", "היה", "😀", "נפלא"]
    boxes = [box.get_x() for box in plots.attribution(SCORES, hebrew).axes[0].patches]
    assert boxes == sorted(boxes, reverse=True)
    boxes = [box.get_x() for box in plots.attribution(SCORES, WORDS).axes[0].patches]
    assert boxes == sorted(boxes)


def test_an_emoji_without_a_font_is_named():
    figure = plots.attribution(SCORES, ["\N{CLAPPER BOARD}", "\N{BLACK HEART SUIT}", "b", "c"])
    assert words(figure)[1] == "\N{BLACK HEART SUIT}"
    assert words(figure)[0] in ("\N{CLAPPER BOARD}", ":clapper board:")


def test_in_small_axes_the_words_get_small():
    axes = Figure(figsize=(3, 2)).subplots()
    figure = plots.attribution(np.zeros((1, 120)), WORDS * 30, ax=axes)
    sizes = {text.get_fontsize() for text in axes.texts}
    assert len(sizes) == 1 and sizes.pop() < 9
    assert inside(axes)
    assert figure is axes.figure


def test_scores_of_zero_can_be_drawn():
    assert np.allclose(colors(plots.attribution(np.zeros((1, 4)), WORDS))[:, :3], 0.966, atol=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3),), r"`attribution` must have the shape.*attribution.shape=\(3,\)$"),
        (
            (SimpleNamespace(scores=np.zeros((1, 0))),),
            r"`attribution.scores`.*attribution.scores.shape=\(1, 0\)$",
        ),
        ((np.full((1, 4), np.inf), WORDS), r"finite.*Received: sample=0$"),
        ((SCORES, WORDS[:3]), r"`tokens` must be a list of 4 strings.*len\(tokens\)=3$"),
        ((SCORES, "film"), r"type\(tokens\)=str"),
    ],
    ids=range(5),
)
def test_what_has_another_form_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.attribution(*arguments)


def test_a_sample_without_valid_steps_is_refused():
    with pytest.raises(ValueError, match=r"`mask` must have a step.*Received: sample=1$"):
        plots.attribution(SCORES, mask=np.zeros((2, 4), bool), sample=1)
