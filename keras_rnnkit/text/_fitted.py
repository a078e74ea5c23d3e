"""What a classifier of texts does after `fit`: predict, explain, save and load."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from keras_rnnkit._checks import PathLike
from keras_rnnkit.data import Bucketed
from keras_rnnkit.text._checks import check_settings, checked_texts
from keras_rnnkit.text._explaining import explained
from keras_rnnkit.text._folder import Saved, read_folder, write_folder
from keras_rnnkit.text._lengths import padded_lengths
from keras_rnnkit.text._samples import Samples
from keras_rnnkit.text.explanation import TextExplanation

_FITTED = ("classes", "vocabulary", "model", "lengths", "maxlen", "history")


class FittedClassifier(ClassifierMixin, BaseEstimator):
    """The methods of a `TextClassifier` that need the attributes that `fit` sets."""

    def predict_proba(self, X: Any) -> np.ndarray:
        """Returns the probability of each class for each text.

        Args:
            X: The texts, `(samples,)`.

        Returns:
            float64 `(samples, classes)`, in the order of `classes_`. Rows add up to 1.
        """
        check_is_fitted(self)
        batches = self._batches(
            Samples(checked_texts(X, "X"), classes=self.classes_), self.lengths_
        )
        found = np.asarray(batches.restore(self.model_.predict(batches, verbose=0)), "float64")
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def predict(self, X: Any) -> np.ndarray:
        """Returns the class of each text, the one with the largest probability.

        Args:
            X: The texts, `(samples,)`.

        Returns:
            The classes, `(samples,)`, in the dtype of `classes_`.
        """
        check_is_fitted(self)
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def explain(
        self, text: str, label: Any = None, method: str = "integrated_gradients"
    ) -> TextExplanation:
        """Which words decided on the class of a text, with the trace of the layers.

        Args:
            text: The text.
            label: The class whose score is explained; `None` for the predicted one.
            method: A method of `keras_rnnkit.attribute`: `"integrated_gradients"` or `"occlusion"`,
                for every model; `"cells"`, where `pooling="last"`.

        Returns:
            A `TextExplanation`, which prints the words that decided.

        Raises:
            TypeError: If `text` is not a str.
            ValueError: If `label` is not one of `classes_`, or the method is not defined for the
                model.

        Example:

        >>> import keras_rnnkit as kit
        >>> train, _, _ = kit.data.load_sample()
        >>> classifier = kit.TextClassifier(
        ...     units=[8], embedding_dim=16, word_dropout=0.0, learning_rate=0.02, batch_size=32,
        ...     lengths=2, random_state=0,
        ... )
        >>> classifier = classifier.fit(train.texts, train.y)
        >>> explanation = classifier.explain("the plot was truly dull")
        >>> explanation.label, explanation.words[0].token
        (0, 'dull')
        """
        check_is_fitted(self)
        return explained(self, text, label, method)

    def save(self, folder: PathLike, overwrite: bool = False) -> None:
        """Saves the fitted classifier in a folder, without pickle.

        * `model.keras`, the model, which `keras.saving.load_model` loads too;
        * `vocabulary.json`, which `keras_rnnkit.data.Vocabulary.load` loads too;
        * `settings.json`, the classes and the arguments, with the SHA-256 of the other files.

        All files are written under temporary names before the first of them is renamed, and the
        settings are renamed last. If saving is interrupted, the old files are complete, or `load`
        refuses the folder.

        Args:
            folder: The folder; it is created, and may contain other files.
            overwrite: Whether to replace a classifier that is there.

        Raises:
            FileExistsError: If there is a classifier, and not `overwrite`.
            ValueError: If an argument of the classifier is wrong, or cannot be stored as JSON, for
                example a cell that is not given by name.
            OSError: If the files cannot be written.
        """
        check_is_fitted(self)
        check_settings(self)
        fitted = {name: getattr(self, f"{name}_") for name in _FITTED}
        write_folder(folder, Saved(self.get_params(deep=False), **fitted), overwrite)

    @classmethod
    def load(cls, folder: PathLike) -> Self:
        """Loads the classifier that `save` stored in a folder, on any backend.

        Files of others are safe to load: the model is loaded with `safe_mode=True`, so that none of
        them runs code.

        Args:
            folder: The folder.

        Returns:
            The fitted classifier. Its model is not compiled.

        Raises:
            DataFileError: If a file is missing, incomplete, changed or of another version. The
                message names the file.
        """
        saved = read_folder(folder, inspect.signature(cls).parameters)
        classifier = cls(**saved.parameters)
        for name in _FITTED:
            setattr(classifier, f"{name}_", getattr(saved, name))
        return classifier

    def _batches(self, samples: Samples, lengths: Any, **options: Any) -> Bucketed:
        """The texts as batches; those longer than the largest length have a length of their own."""
        ids = [one[: self.maxlen_] for one in self.vocabulary_.encode_many(samples.texts)]
        if isinstance(lengths, list):
            lengths = padded_lengths(lengths, max(map(len, ids)))
        return Bucketed(
            *(ids, samples.targets),
            batch_size=self.batch_size,
            lengths=lengths,
            sample_weight=samples.weights,
            **{"shuffle": False, **options},
        )

    def _forget(self) -> None:
        """Remove what an earlier fit has left, so that one that fails leaves no mixture of both."""
        for name in _FITTED:
            if hasattr(self, f"{name}_"):
                delattr(self, f"{name}_")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "history_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags
