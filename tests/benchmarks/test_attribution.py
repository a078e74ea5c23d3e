"""The script that measures the methods of attribution: what it takes for the deciding words."""

import sys
from pathlib import Path

import keras
import pytest

import keras_rnnkit as kit

BENCHMARKS = str(Path(__file__).resolve().parents[2] / "benchmarks")
sys.path.insert(0, BENCHMARKS)

import attribution  # noqa: E402

sys.path.remove(BENCHMARKS)

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="the same on every backend"
)


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("the plot was not wonderful", 0, {"not", "wonderful"}),
        (
            "the cast was never dull and the film was not silly",
            1,
            {"never", "not", "dull", "silly"},
        ),
        ("the film started dull but ended wonderful", 1, {"wonderful"}),
        ("what a boring plot", 0, {"boring"}),
        ("the pace felt warm and the music was fresh", 1, {"warm", "fresh"}),
    ],
)
def test_the_deciding_words(text, label, words):
    assert {text.split()[place] for place in attribution.deciding(text, label)} == words


def test_every_sample_review_has_deciding_words():
    for split in kit.data.load_sample()[:2]:
        for text, label in zip(split.texts, split.y, strict=True):
            assert 0 < len(attribution.deciding(text, label)) <= 4
