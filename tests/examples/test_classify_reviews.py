"""The example that goes from texts to a saved classifier, and from a sentence to an answer."""

import sys
from pathlib import Path

import keras
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

EXAMPLES = str(Path(__file__).resolve().parents[2] / "examples")


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import classify_reviews

    yield classify_reviews
    for name in ("classify_reviews", "installed_backend"):
        sys.modules.pop(name, None)


def test_it_trains_saves_and_answers_with_the_words_that_decided(example, tmp_path, capsys):
    out = str(tmp_path / "classifier")
    example.main(["--out", out, "--ask", "the plot was never dull"])
    printed = capsys.readouterr().out
    assert "Training on 480 texts" in printed
    assert float(printed.split("accuracy")[-1].split()[0]) > 0.85
    assert '"the plot was never dull"' in printed and "with probability" in printed
    assert {"dull", "never"} & set(printed.split("for it:")[1].split())
    loaded = kit.TextClassifier.load(out)
    assert loaded.classes_.tolist() == ["negative", "positive"]


def test_a_saved_classifier_answers_without_training(example, tmp_path, capsys, monkeypatch):
    texts, labels = ["a good film", "a dull film"] * 8, ["good", "dull"] * 8
    settings = {"units": [4], "min_count": 1, "epochs": 1, "lengths": 1}
    kit.TextClassifier(**settings).fit(texts, labels).save(tmp_path)
    monkeypatch.setattr(keras.Model, "fit", None)
    example.main(["--out", str(tmp_path), "--ask", "a good film"])
    assert "with probability" in capsys.readouterr().out


def test_it_trains_on_a_folder_and_on_a_table(example, tmp_path, capsys):
    rows = ["text,label"]
    for label in ("bad", "good"):
        (tmp_path / "texts" / label).mkdir(parents=True)
        for number in range(20):
            text = f"a {label} film number {number}"
            (tmp_path / "texts" / label / f"{number}.txt").write_text(text)
            rows.append(f"{text},{label}")
    (tmp_path / "texts.csv").write_text("\n".join(rows))
    for data in ("texts", "texts.csv"):
        out = str(tmp_path / f"of_{data}")
        example.main(["--data", str(tmp_path / data), "--out", out, "--epochs", "1"])
        assert kit.TextClassifier.load(out).classes_.tolist() == ["bad", "good"]
    assert "Training on 32 texts" in capsys.readouterr().out


@pytest.mark.parametrize("more", [[], ["--data", "texts"]], ids=["no data", "data"])
def test_a_saved_classifier_is_replaced_on_request_alone(example, tmp_path, monkeypatch, more):
    (tmp_path / "settings.json").write_text("of another run")
    monkeypatch.setattr(keras.Model, "fit", None)
    with pytest.raises(SystemExit, match=r"has a classifier.*--overwrite"):
        example.main(["--out", str(tmp_path), *more])
    assert (tmp_path / "settings.json").read_text() == "of another run"
