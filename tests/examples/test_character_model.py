"""The example that trains a model of text in chunks, and lets it write."""

import sys
from pathlib import Path

import pytest

EXAMPLES = str(Path(__file__).resolve().parents[2] / "examples")


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import character_model

    yield character_model
    for name in ("character_model", "installed_backend"):
        sys.modules.pop(name, None)


def numbers(printed):
    lines = [line for line in printed.splitlines() if "character alone" in line or "Bits" in line]
    return [float(line.rpartition(" ")[2]) for line in lines]


@pytest.mark.slow_on("jax", "tensorflow")
def test_it_learns_the_reviews_of_the_package_and_writes(example, capsys):
    example.main(["--length", "60", "--begin", "the plot was", "--epochs", "8"])
    printed = capsys.readouterr().out
    found, by_frequency = numbers(printed)
    assert found < 2 < 3.5 < by_frequency
    written = printed.split("The model writes:")[1].strip()
    assert written.startswith("the plot was") and len(written) > 50


def test_it_trains_on_a_folder(example, tmp_path, capsys):
    for label in ("bad", "good"):
        (tmp_path / label).mkdir()
        for number in range(20):
            (tmp_path / label / f"{number}.txt").write_text(f"a {label} film,\nsay {number} people")
    small = ["--units", "4", "--lanes", "2", "--steps", "20", "--epochs", "1", "--length", "5"]
    example.main(["--data", str(tmp_path), *small])
    printed = capsys.readouterr().out
    assert len(numbers(printed)) == 2 and "The model writes:" in printed


def test_held_out_text_and_rare_characters(example):
    text, held_out = example.split(["ab", "c\nd", "é", "f"] * 5, seed=0)
    assert held_out.count("\n") == 2 and text.count("\n") == 18
    characters = example.characters_of("ab\n")
    assert example.encode("abz", characters).tolist() == [2, 3, 0]
