"""The page *Design* says the rule's thresholds as the rule has them."""

from pathlib import Path

from keras_rnnkit.running.rule import (
    CONCATENATED_UP_TO,
    FUSED_GATES_FROM,
    FUSED_GATES_FROM_IN_PREDICTION,
    MASKED_PREALLOCATED,
)

PAGE = Path(__file__).parents[2] / "docs" / "background" / "design.md"


def test_the_widths_are_those_of_the_rule():
    text = PAGE.read_text(encoding="utf-8")
    for width in (
        f"| up to {CONCATENATED_UP_TO} |",
        f"| {CONCATENATED_UP_TO + 1} to {FUSED_GATES_FROM - 1} |",
        f"| {FUSED_GATES_FROM} to {FUSED_GATES_FROM_IN_PREDICTION - 1} |",
        f"| from {FUSED_GATES_FROM_IN_PREDICTION} |",
        f"from {MASKED_PREALLOCATED.start} to {MASKED_PREALLOCATED.stop - 1} units",
    ):
        assert width in text, width
