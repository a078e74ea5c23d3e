"""The example that looks inside a model writes every picture, and refuses what it cannot read."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import see_inside

    yield see_inside
    for name in ("see_inside", "installed_backend"):
        sys.modules.pop(name, None)


def saved_model(path, *layers, length=20, words=500, outputs=1):
    """An untrained model of reviews in a Keras file."""
    head = keras.layers.Dense(outputs, "sigmoid" if outputs == 1 else "softmax")
    embedding = keras.layers.Embedding(words, 4, mask_zero=True)
    keras.Sequential([keras.Input((length,)), embedding, *layers, head]).save(path)
    return path


def written(folder):
    """The names of the pictures in a folder, all of which show something."""
    assert all(picture.stat().st_size > 5_000 for picture in folder.glob("*.png"))
    return {picture.stem for picture in folder.glob("*.png")}


@pytest.mark.slow
def test_a_trained_model_is_drawn_with_the_words_that_decided(example, tmp_path, capsys):
    example.main(["--epochs", "2", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "epoch   2: validation loss" in printed
    assert printed.count("decided by") == 2
    of_layer = {f"lstm_{name}" for name in ("gates", "states", "compare", "influence")}
    for kind in ("best", "worst"):
        assert written(tmp_path / kind) == {*of_layer, "attribution", "gradients"}
        page = (tmp_path / kind / "explore.html").read_text("utf-8")
        assert "[START]" in page
        traces = kit.Traces.load(tmp_path / kind / "traces.npz")
        assert traces["lstm"].forget.shape == (1, 20, 8)
    of_model = {f"lstm_{name}" for name in ("saturation", "memory", "weights")}
    assert written(tmp_path / "model") == {*of_model, "gradients", "history"}


@pytest.mark.slow
def test_a_keras_file_of_another_structure_is_drawn_as_far_as_it_goes(example, tmp_path, capsys):
    rnn = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True), name="both")
    path = saved_model(
        tmp_path / "model.keras", rnn, keras.layers.SimpleRNN(3, name="last"), outputs=2
    )
    example.main(["--model", str(path), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    for missing in ("saturation of last", "memory of last", "influence in last"):
        assert f"No {missing}: " in printed
    found = written(tmp_path / "out" / "worst")
    assert {"both_influence_0", "both_influence_1", "both_gates", "last_gates"} <= found
    assert "last_influence" not in found


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"length": 30}, "reads 30 words of 500 different ids"),
        ({"words": 10}, "of 10 different ids"),
        ({"outputs": 3}, "return one probability"),
    ],
)
def test_a_model_that_cannot_read_the_reviews_is_refused(example, tmp_path, model, message):
    path = saved_model(tmp_path / "model.keras", keras.layers.LSTM(2), **model)
    with pytest.raises(SystemExit, match=message):
        example.main(["--model", str(path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_other_inputs_and_files_are_refused(example, tmp_path):
    path = tmp_path / "floats.keras"
    inputs = keras.Input((20, 4))
    keras.Model(inputs, keras.layers.Dense(1)(keras.layers.LSTM(2)(inputs))).save(path)
    with pytest.raises(SystemExit, match="must take word ids"):
        example.load_model(path)
    with pytest.raises(SystemExit, match=r"must be a \.keras file that exists"):
        example.load_model(tmp_path / "none.keras")


def test_outputs_that_are_not_probabilities_are_refused(example):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="logit")])
    with pytest.raises(SystemExit, match="must return probabilities"):
        example.probabilities(model, np.full((2, 3), 9.0) * [[1], [-1]])


def test_the_sentence_names_the_words_on_the_side_of_the_prediction(example):
    scores = np.array([[3.0, -2.0, -0.05, 0.5]])
    found = kit.Attribution(
        **{**dict.fromkeys(kit.Attribution._fields), "scores": scores},
    )._replace(mask=np.ones((1, 4), bool), tokens=[["fine", "but", "not", "dull"]])
    positive = 'positive with probability 0.90, decided by "fine" (+3.00), "dull" (+0.50)'
    assert example.decided_by(found, 0.9, outputs=1) == positive
    negative = 'negative with probability 0.90, decided by "but" (-2.00)'
    assert example.decided_by(found, 0.1, outputs=1) == negative
    assert "fine" in example.decided_by(found, 0.1, outputs=2)  # scores of "negative"


def test_the_reviews_are_those_of_the_highest_and_the_lowest_probability_of_the_truth(example):
    found = example.best_and_worst(np.array([0.9, 0.2, 0.6, 0.7]), np.array([1, 1, 0, 0]))
    assert found == {"best": 0, "worst": 1}
