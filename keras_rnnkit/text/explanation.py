"""What `TextClassifier.explain` returns."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras_rnnkit.models import Attribution, Traces
from keras_rnnkit.models._attribute_result import Scored

_MOST = 6  # words that are printed for, and against


class TextExplanation(NamedTuple):
    """The class of a text, and which words decided.

    It prints the words that speak most for the class and most against it.

    Attributes:
        text: The text.
        label: The class that is explained: the predicted one, unless another was asked for.
        probability: Its probability.
        probabilities: The probability of each class, a dict.
        words: The words that were read, `(position, token, score)`, the largest absolute score
            first. Position 0 is the start mark, so words count from 1. A positive score speaks for
            `label`. The scores are parts of the logit: of two classes, of the logarithm of the
            ratio of their probabilities.
        attribution: All of the `keras_rnnkit.Attribution`, with the padding of the text.
        traces: The gates and states of the recurrent layers while they read the text, as
            `keras_rnnkit.trace` returns them: `traces["stack"]["rnn_0"].forget`.
    """

    text: str
    label: Any
    probability: float
    probabilities: dict[Any, float]
    words: list[Scored]
    attribution: Attribution
    traces: Traces

    def __repr__(self) -> str:
        others = ", ".join(
            f"{label!r} {value:.2f}"
            for label, value in self.probabilities.items()
            if label != self.label
        )
        lines = [f"{self.label!r} with probability {self.probability:.2f} ({others})"]
        for title, sign in (("for it", 1), ("against it", -1)):
            words = [word for word in self.words if sign * word.score > 0][:_MOST]
            named = ", ".join(f"{word.token} {word.score:+.2f}" for word in words)
            lines.append(f"  {title + ':':<12}{named or '-'}")
        return "\n".join(lines)

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Plot the text in the colours of its scores, by `keras_rnnkit.plots.attribution`.

        Args:
            *args: Further arguments of `keras_rnnkit.plots.attribution`, as are `**kwargs`.
            **kwargs: See there.

        Returns:
            What it returns.
        """
        return self.attribution.plot(*args, **kwargs)
