"""A scikit-learn classifier whose samples are texts: its arguments and its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from sklearn.utils import check_random_state

from keras_rnnkit.data import Vocabulary
from keras_rnnkit.text._checks import check_settings
from keras_rnnkit.text._fitted import FittedClassifier
from keras_rnnkit.text._model import build_model
from keras_rnnkit.text._resuming import bind_texts
from keras_rnnkit.text._samples import checked_samples, split_samples
from keras_rnnkit.text._training import train


class TextClassifier(FittedClassifier):
    """Classifies texts with recurrent layers: a scikit-learn classifier on raw strings.

    `fit` makes a vocabulary of the training texts, encodes them, trains a model on batches of
    texts of similar length, and stops early, with the weights of the best epoch. The model is an
    `Embedding`, a `StackedRNN`, the mean of its outputs over the words beside its last output, and
    a `Dense` layer. Texts are padded on the right, with a mask, so that the padding has no effect.

    It works where scikit-learn takes a classifier: `Pipeline`, `cross_val_score`, `GridSearchCV`.
    Arguments that `set_params` changes after `fit` hold for the next `fit`; predictions do not
    change.

    Args:
        units: A list of positive integers, one for each recurrent layer.
        cell: The cell of the layers, as `StackedRNN` takes it: `"lstm"`, `"gru"`, `"min_gru"`, ...
            `save` needs a name, or a list of names.
        bidirectional: Whether the layers run in both directions.
        pooling: What the `Dense` layer takes of the outputs at all words: `"mean"`, `"max"` or
            `"last"`, or several of them. With `"last"` alone, the gradient of the first words of a
            long text has to go through all later steps, and long texts are learned slowly.
        embedding_dim: The width of the vector of a word.
        dropout: Fraction to drop in training of the elements of the word vectors, and of what each
            further layer takes, the `Dense` layer included.
        word_dropout: Fraction of the words to drop in training.
        max_words: How many words have an id, the most frequent ones of the training texts; `None`
            for all. Others are read as `[UNK]`.
        min_count: How often a word must be in the training texts to have an id.
        tokenizer: `"unicode"`, or `"imdb"` for the rule of that data set.
        maxlen: The number of words of a text that are read, with the start mark; the rest is
            ignored. `None` for all.
        epochs: The largest number of epochs.
        batch_size: Texts in a batch.
        learning_rate: Of the optimizer, Adam.
        class_weight: `None`, `"balanced"` for weights in inverse proportion to the frequencies of
            the classes, or a dict from class to weight, as in scikit-learn.
        validation_fraction: The fraction of the training texts of each class that is held out to
            find the best epoch; 0 for none, then all epochs run. A class with so few texts that
            its fraction rounds to zero has none there.
        patience: After how many epochs without a lower validation loss training stops.
        lengths: To how many different lengths texts are padded. More lengths pad less, but on JAX
            and TensorFlow the model is compiled once for each.
        random_state: `None`, an integer seed, or a `numpy.random.RandomState`. With a seed, two
            fits on a CPU give the same model.
        verbose: 0 for silence, 1 for the progress of the training, 2 for a line an epoch.

    Attributes:
        classes_: The classes, sorted, `(classes,)`.
        vocabulary_: The `keras_rnnkit.data.Vocabulary` of the training texts.
        model_: The trained Keras model. It takes ids `(batch, time)`, padded on the right with 0,
            and returns the probability of `classes_[1]`, `(batch, 1)`, or for three classes and
            more the probabilities `(batch, classes)`.
        lengths_: The lengths to which texts are padded, ascending, a list of integers.
        maxlen_: The number of words of a text that are read, `maxlen` of the fit.
        history_: The losses and metrics of every epoch, lists by name, as in `keras`.

    Example:

    >>> import keras_rnnkit as kit
    >>> train, validation, _ = kit.data.load_sample()
    >>> labels = ["good" if label else "bad" for label in train.y]
    >>> classifier = kit.TextClassifier(
    ...     units=[8], embedding_dim=16, learning_rate=0.02, batch_size=32, lengths=2,
    ...     random_state=0,
    ... )
    >>> classifier = classifier.fit(train.texts, labels)
    >>> classifier.predict(["the plot was wonderful", "a dull film"]).tolist()
    ['good', 'bad']
    >>> classifier.predict_proba(validation.texts).shape
    (120, 2)
    """

    def __init__(
        self,
        units: Sequence[int] = (64,),
        cell: Any = "lstm",
        *,
        bidirectional: bool = False,
        pooling: str | Sequence[str] = ("mean", "last"),
        embedding_dim: int = 32,
        dropout: float = 0.3,
        word_dropout: float = 0.2,
        max_words: int | None = 20_000,
        min_count: int = 2,
        tokenizer: str = "unicode",
        maxlen: int | None = 400,
        epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 0.001,
        class_weight: Any = None,
        validation_fraction: float = 0.1,
        patience: int = 2,
        lengths: int = 8,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.units = units
        self.cell = cell
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.max_words = max_words
        self.min_count = min_count
        self.tokenizer = tokenizer
        self.maxlen = maxlen
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.lengths = lengths
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
    ) -> TextClassifier:
        """Makes the vocabulary and trains the model.

        Args:
            X: The texts, `(samples,)`: a list, a 1-D array or a pandas Series of str.
            y: Their classes, `(samples,)`: strings, integers or booleans; at least two.
            sample_weight: The weights of the texts in the loss, `(samples,)`; `None` for 1.
            validation_data: Texts and classes `(X, y)` to find the best epoch with; then no texts
                are held out of the training texts.
            callbacks: Further Keras callbacks. An `EarlyStopping` among them takes the place of the
                classifier's own. With those of `keras_rnnkit.callbacks.resumable(folder)`, a fit
                that was interrupted goes on when it is started again with the same texts and
                arguments, a `random_state` among them; only `epochs` and `verbose` may be others.
                Their `patience` replaces that of the classifier.

        Returns:
            The classifier.

        Raises:
            TypeError: If `X` is not a sequence of texts.
            ValueError: If an argument is not one of the above, the lengths differ, there is only
                one class, or training ends with weights of NaN.
        """
        self._forget()
        check_settings(self)
        callbacks = list(callbacks or ())
        samples = checked_samples(X, y, sample_weight, self.class_weight)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if validation_data is None:
            samples, held_out = split_samples(samples, self.validation_fraction, seed)
        else:
            held_out = samples.others(validation_data, self.class_weight)
        bind_texts(callbacks, self, samples, held_out)
        self.classes_ = samples.classes
        self.maxlen_ = self.maxlen
        self.vocabulary_ = Vocabulary.fit(
            samples.texts, self.max_words, self.min_count, tokenizer=self.tokenizer
        )
        training = self._batches(samples, self.lengths, shuffle=True, seed=seed)
        self.lengths_ = [int(length) for length in training.lengths]
        validation = None if held_out is None else self._batches(held_out, self.lengths_)
        self.model_ = build_model(self, len(self.vocabulary_), len(self.classes_), seed)
        self.history_ = {}  # with it, the classifier is fitted, also after Ctrl-C
        self.history_ = train(self, self.model_, training, validation, callbacks)
        if not all(np.isfinite(one).all() for one in self.model_.get_weights()):
            self._forget()
            raise ValueError(
                "The weights are NaN or infinite after training: pass a lower `learning_rate`. "
                f"Received: learning_rate={self.learning_rate!r}"
            )
        return self
