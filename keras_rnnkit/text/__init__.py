"""Text in, answer out: a scikit-learn classifier of texts, built from the parts of the kit."""

from keras_rnnkit.text.classifier import TextClassifier
from keras_rnnkit.text.explanation import TextExplanation

__all__ = ["TextClassifier", "TextExplanation"]
