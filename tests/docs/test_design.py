"""The page *Design* says the rule's threshold as the rule has it."""

from pathlib import Path

from keras_rnnkit.running.rule import CONCATENATED_UP_TO

PAGE = Path(__file__).parents[2] / "docs" / "background" / "design.md"


def test_the_width_is_that_of_the_rule():
    text = PAGE.read_text(encoding="utf-8")
    for width in (f"| up to {CONCATENATED_UP_TO} |", f"| from {CONCATENATED_UP_TO + 1} |"):
        assert width in text, width
