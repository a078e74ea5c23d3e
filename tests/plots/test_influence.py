"""`influence`: a heat map of words by words."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_rnnkit import plots

pytestmark = pytest.mark.no_backend

LEFT = np.tril(np.random.default_rng(0).uniform(0.1, 1, (2, 5, 5)))
WORDS = ["a", "fine", "$film$", "שלום", "end"]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_rows_are_states_and_columns_are_words():
    axes = plots.influence(LEFT, WORDS, sample=1).axes[0]
    assert np.allclose(np.ma.filled(axes.images[0].get_array(), 0), LEFT[1])
    assert labels(axes.xaxis) == labels(axes.yaxis) == WORDS
    low, high = axes.get_ylim()
    assert low > high  # the first word on top


@pytest.mark.parametrize("backward", [False, True])
def test_what_is_not_read_yet_is_left_out(backward):
    left = LEFT.transpose(0, 2, 1) if backward else LEFT
    axes = plots.influence(left).axes[0]
    hidden = axes.images[0].get_array().mask
    assert (hidden == (left[0] == 0)).all()
    assert [text.get_text() for text in axes.texts] == [f"{x:.2f}" for x in left[0][left[0] != 0]]


def test_the_colours_begin_at_zero_or_are_centred_there():
    assert plots.influence(LEFT).axes[0].images[0].get_clim()[0] == 0
    low, high = plots.influence(LEFT - 0.5).axes[0].images[0].get_clim()
    assert low == -high < 0
    low, high = plots.influence(np.zeros((1, 3, 3))).axes[0].images[0].get_clim()
    assert low == 0 < high


def test_masked_steps_are_left_out():
    mask = np.array([[1, 0, 1, 1, 0], [1] * 5], dtype=bool)
    result = SimpleNamespace(weights=LEFT, mask=mask)
    for figure in (plots.influence(LEFT, WORDS, mask=mask), plots.influence(result, WORDS)):
        axes = figure.axes[0]
        expected = LEFT[0][np.ix_([0, 2, 3], [0, 2, 3])]
        assert np.allclose(np.ma.filled(axes.images[0].get_array(), 0), expected)
        assert labels(axes.xaxis) == ["a", "$film$", "שלום"]


def test_of_many_words_those_that_are_left_at_the_end_are_named():
    left = np.tril(np.full((1, 200, 200), 0.01))
    left[0, -1, [7, 90]] = 1
    axes = plots.influence(left, [f"word{step}" for step in range(200)]).axes[0]
    names = labels(axes.xaxis)
    assert {"word7", "word90"} <= set(names) and len(names) < 100
    assert labels(axes.yaxis) == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 5)),), r"\(batch, time, time\).*Received: influence.shape=\(2, 5\)$"),
        ((np.zeros((2, 5, 5, 3)),), r"Choose units.*influence.shape=\(2, 5, 5, 3\)$"),
        ((np.zeros((2, 5, 4)),), r"influence.shape=\(2, 5, 4\)$"),
        ((np.full((1, 2, 2), np.nan),), r"finite.*Received: influence=nan at some places$"),
        ((LEFT, WORDS[:4]), r"`tokens` must be a list of 5 strings.*len\(tokens\)=4$"),
    ],
    ids=range(5),
)
def test_what_has_another_form_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.influence(*arguments)


def test_a_sample_without_valid_steps_is_refused():
    with pytest.raises(ValueError, match=r"`mask` must have a step.*Received: sample=0$"):
        plots.influence(LEFT, mask=np.zeros((2, 5), bool))
    with pytest.raises(IndexError, match=r"between 0 and 1.*sample=2$"):
        plots.influence(LEFT, sample=2)
