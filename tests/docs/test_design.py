"""The page *Design* says the rule's thresholds as the rule has them."""

from pathlib import Path

from keras_rnnkit.layers._paths import (
    JOINED_UP_TO,
    MASKED_IN_PLACE,
    WHOLE_FROM,
    WHOLE_FROM_IN_PREDICTION,
)

PAGE = Path(__file__).parents[2] / "docs" / "background" / "design.md"


def test_the_widths_are_those_of_the_rule():
    text = PAGE.read_text(encoding="utf-8")
    for width in (
        f"| up to {JOINED_UP_TO} |",
        f"| {JOINED_UP_TO + 1} to {WHOLE_FROM - 1} |",
        f"| {WHOLE_FROM} to {WHOLE_FROM_IN_PREDICTION - 1} |",
        f"| from {WHOLE_FROM_IN_PREDICTION} |",
        f"from {MASKED_IN_PLACE.start} to {MASKED_IN_PLACE.stop - 1} units",
    ):
        assert width in text, width
