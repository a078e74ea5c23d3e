"""A callback that follows the gates of a model while it is trained."""

from typing import Any

import keras
import numpy as np
from keras import tree

from keras_rnnkit._checks import check_integer
from keras_rnnkit.models._arrays import as_inputs
from keras_rnnkit.models._gate_sums import gate_sums, logs_of
from keras_rnnkit.models._runner import runner_for
from keras_rnnkit.models._targets import targets_in


class GateMonitor(keras.callbacks.Callback):
    """Puts statistics of the gates into the logs of every epoch, beside the losses.

    So they are in the history, are plotted and written to a log like a loss, and other callbacks
    can monitor them, if they come after this one in the list. For each recurrent layer, as means
    over its units and all valid steps:

    - `lstm_forget_mean`: the mean of a gate, so for each gate and the candidate;
    - `lstm_forget_closed`, `lstm_forget_open`: the fractions of steps at which a gate is below 0.1
      and above 0.9 (Karpathy et al., 2015);
    - `lstm_half_life`: after how many steps half of a state's old content is left, the median over
      the units; for cells with a gate that keeps the state.

    A direction of a `Bidirectional` is `bidirectional_forward_...`, a layer of a `StackedRNN`
    `stacked_rnn_rnn_0_...`.

    Args:
        x: Input of the model to run on, as `fit` takes it: an array, or a list or dict of arrays.
        samples: How many rows of `x` to use, evenly spaced; all if there are fewer.
        layers: The keys of the layers to follow, as in `keras_rnnkit.trace`; `None` for all.

    Raises:
        ValueError: If `samples` is not a positive integer or `x` has no rows, and when training
            begins, for a layer that cannot be traced.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((5, 3)), kit.LSTM(4, name="lstm")])
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((8, 5, 3), "float32"), np.ones((8, 4), "float32")
    >>> monitor = kit.callbacks.GateMonitor(x)
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
    >>> len(history.history["lstm_forget_mean"])
    2
    """

    def __init__(self, x: Any, samples: int = 512, layers: list[str] | None = None) -> None:
        super().__init__()
        samples = check_integer(samples, "samples", least=1)
        x = as_inputs(x)
        rows = min(len(array) for array in tree.flatten(x))
        if not rows:
            raise ValueError(f"`x` must have at least one row. Received: rows={rows}")
        places = np.linspace(0, rows - 1, min(samples, rows)).round().astype(int)
        self.x = tree.map_structure(lambda array: array[places], x)
        self.layers = layers

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.model.built:  # refuses a layer that cannot be traced before an epoch is trained
            targets_in(self.model, self.layers)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        runner = runner_for(self.model, self.layers)
        batches = runner.batches(self.x, None)
        logs.update(logs_of([runner.reduced(gate_sums, batch) for batch in batches]))
