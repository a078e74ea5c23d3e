"""`gradients`: norms over time, a line a layer."""

import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.test_parts import Pair
from tests.plots.traces import TIME, WORDS, array, lstm, simple

pytestmark = pytest.mark.no_backend

MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]], dtype=bool)


def lines(figure):
    return {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}


def test_a_line_is_the_norm_of_the_gradient_of_a_layer():
    found = {"first": lstm(), "second": lstm(hidden=array(-9, 9))}
    drawn = lines(plots.gradients(found, sample=1))
    assert list(drawn) == ["first", "second"]
    for name, values in drawn.items():
        assert np.allclose(values, np.linalg.norm(found[name].hidden[1], axis=1))
    (values,) = lines(plots.gradients(lstm(), sample=0, field="forget")).values()
    assert np.allclose(values, np.linalg.norm(lstm().forget[0], axis=1))


def test_sequences_are_aligned_at_their_last_valid_step():
    trace = lstm(MASK)
    norms = np.linalg.norm(trace.hidden, axis=2)
    (values,) = lines(plots.gradients({"rnn": trace})).values()
    assert np.allclose(values[:3], (norms[0, ::-1][:3] + norms[1, 2::-1]) / 2)
    assert np.allclose(values[3:], norms[0, 2::-1])


def test_the_last_step_is_at_the_right():
    axes = plots.gradients({"rnn": lstm()}).axes[0]
    left, right = axes.get_xlim()
    assert left > right
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "valid steps before the last one"


def test_words_label_the_steps_of_one_sample():
    figure = plots.gradients({"rnn": lstm(MASK)}, WORDS, sample=1)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["a", "truly", "$fine$"]
    with pytest.raises(ValueError, match=r"`sample` too. Received: sample=None$"):
        plots.gradients({"rnn": lstm()}, WORDS)


def test_directions_have_a_line_each():
    drawn = lines(plots.gradients({"bi": Pair(lstm(), lstm())}))
    assert list(drawn) == ["bi forward", "bi backward"]


def test_a_layer_that_gets_no_gradient_says_so():
    zero = simple(np.zeros((2, TIME, 3)))
    figure = plots.gradients({"frozen": zero, "rnn": simple(array(-1, 1))})
    assert list(lines(figure)) == ["frozen: 0 at every step", "rnn"]
    only = plots.gradients(zero)
    assert list(lines(only)) == ["hidden: 0 at every step"]
    only.draw_without_rendering()


def test_layers_of_other_lengths_are_compared_from_their_ends():
    short = simple(array(-1, 1)[:, :3])
    found = {"long": simple(array(-1, 1)), "short": short}
    assert [len(values) for values in lines(plots.gradients(found)).values()] == [6, 3]
    with pytest.raises(ValueError, match=r"same batch and time.*\[\(2, 3\), \(2, 6\)\]$"):
        plots.gradients(found, sample=0)


@pytest.mark.parametrize(
    ("found", "options", "error", "message"),
    [
        ({"a": 3}, {}, TypeError, r'`gradients\["a"\]` must be a trace'),
        ({"a": lstm()}, {"field": "memory"}, ValueError, r'gradients\["a"\]`.*field=\'memory\'$'),
        ({str(i): lstm() for i in range(9)}, {}, ValueError, r"len\(gradients\)=9$"),
        (lstm(hidden=np.full((2, 6, 3), np.nan)), {}, ValueError, "explode.*hidden=nan$"),
        (lstm(MASK & [[1], [0]]), {"sample": 1}, ValueError, "not masked.*sample=1$"),
        (lstm(np.zeros((2, 6), bool)), {}, ValueError, r"not masked.*mask.any\(\)=False$"),
        (lstm(), {"sample": 5}, IndexError, "between 0 and 1"),
    ],
    ids=range(7),
)
def test_what_has_another_form_is_refused(found, options, error, message):
    with pytest.raises(error, match=message):
        plots.gradients(found, **options)
