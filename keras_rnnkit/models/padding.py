"""Finds padding that a model takes for data, and ids that its embeddings do not have."""

import textwrap
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit._checks import check_integer
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.models._padding_batches import parts_of
from keras_rnnkit.models._padding_probe import Probe
from keras_rnnkit.models._padding_rules import (
    NOT_RIGHT,
    UNMASKED,
    Amounts,
    Batch,
    Collector,
    batch_of,
)
from keras_rnnkit.models._padding_texts import texts_of
from keras_rnnkit.models._stored import check_model


class PaddingFinding(NamedTuple):
    """One finding of `check_padding`.

    Attributes:
        kind: `"unmasked padding"`, `"empty rows"`, `"unknown ids"` or `"cudnn"`.
        layer: The path of the layer in the model, such as `"encoder/lstm"`.
        rows: int64 array of the numbers of the rows of `x` that it is about; in a data set, rows
            are counted in the order of its batches.
        problem: What is wrong.
        remedy: What to do.
        gpu_only: Whether it makes no difference without a GPU.
    """

    kind: str
    layer: str
    rows: np.ndarray
    problem: str
    remedy: str
    gpu_only: bool = False


class PaddingReport(tuple[PaddingFinding, ...]):
    """The findings of `check_padding`; prints as a list of them.

    Attributes:
        rows: How many rows were checked.
    """

    rows = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found that makes a difference on the devices of this machine."""
        gpu = backend_kernels().on_gpu(None)
        return all(finding.gpu_only and not gpu for finding in self)

    def __repr__(self) -> str:
        if not self:
            return f"no findings in {self.rows:,} rows"
        count = "1 finding" if len(self) == 1 else f"{len(self)} findings"
        return "\n".join([f"{count} in {self.rows:,} rows", *map(_lines_of, self)])


def _lines_of(finding: PaddingFinding) -> str:
    rows = ", ".join(map(str, finding.rows[:5])) + (", ..." if len(finding.rows) > 5 else "")
    count = "1 row" if len(finding.rows) == 1 else f"{len(finding.rows):,} rows"
    head = f"{finding.layer}: {finding.kind} in {count} ({rows})"
    texts = [finding.problem, f"To fix it: {finding.remedy}"]
    return "\n".join(["", head, *(_wrapped(text) for text in texts)])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 92, initial_indent="  ", subsequent_indent="  ")


def check_padding(
    model: Any, x: Any, value: int | float | None = 0, batch_size: int | None = None
) -> PaddingReport:
    """Whether a model takes the padding of its input for data, and other mistakes with padding.

    It runs the model in inference mode on all rows and looks at the inputs and masks that really
    reach its recurrent layers, of `keras.layers` or of the kit, in any structure: `Sequential`,
    functional, nested, wrapped, or a class that calls its layers in its own code. The model is not
    changed. It finds:

    - `"unmasked padding"`: a layer that returns its last output or state reads padding last. So its
      result is that of the padding, and a model that should learn from it learns little or nothing.
      For a layer that runs backward, such as in a `Bidirectional`, this is padding on the left.
    - `"empty rows"`: all steps of a row are padding.
    - `"unknown ids"`: an `Embedding` gets ids below 0, or not below its `input_dim`.
    - `"cudnn"`: on TensorFlow with a GPU, a masked `LSTM` or `GRU` of `keras.layers` runs on cuDNN,
      which refuses a mask that is not right-padded. The layers of the kit accept any mask.

    The model runs twice, the second time with other values in the padding: what differs at a layer
    reads padding. So it takes about the time of two calls of `predict`.

    Args:
        model: A built model or layer.
        x: The model's input, as `predict` takes it: an array, a list or dict of arrays, or a
            `keras.utils.PyDataset` such as `Bucketed`, whose batches are then checked one by one.
            Of other data sets, pass the inputs of a batch: `next(iter(data))[0]`.
        value: What pads: the id, or the value of all features of a padded step. A step is padding
            if it has this value and is at the start or the end of a row. `None` if nothing pads.
        batch_size: Rows that run at a time; `None` for 256, or for what the model requires.

    Returns:
        A `PaddingReport`, a tuple of `PaddingFinding(kind, layer, rows, problem, remedy)`. It is
        empty and `.ok` is true if nothing was found.

    Raises:
        TypeError: If `model` is not a Keras layer or model, or `x` is another data set.
        ValueError: If `model` is not built, for a quantized layer, for a wrong `batch_size`, and
            for input without rows.

    Example:

    >>> import keras
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), kit.Embedding(10, 3), kit.LSTM(2, name="lstm"),
    ... ])
    >>> x = kit.data.pad([[5, 9, 2], [7], [8, 1, 6, 4]], padding="post")
    >>> report = kit.data.check_padding(model, x)
    >>> report.ok, report[0].layer, report[0].kind, report[0].rows
    (False, 'lstm', 'unmasked padding', array([0, 1]))
    """
    check_model(model)
    check_integer(batch_size, "batch_size", least=1, optional=True)
    rows, probe, first = 0, None, None
    for part in parts_of(model, x, batch_size):
        if probe is None or first is None:
            probe = Probe(model, part.structure)
            found, masked = Collector(probe), [True] * len(part.arrays)
            first = batch_of(part.arrays, part.start, part.rows, value, probe, masked)
            masked = probe.masked(first.inputs)
        batch = batch_of(part.arrays, part.start, part.rows, value, probe, masked)
        found.add(batch, probe.look(batch.inputs))
        rows += part.rows
    if probe is None:
        raise ValueError(f"`x` must have at least one row. Received: x={x!r:.100}")
    report = PaddingReport(_findings(probe, found.amounts(), first, value))
    report.rows = rows
    return report


def _findings(
    probe: Probe, found: dict[tuple[str, str], Amounts], first: Batch | None, value: Any
) -> list[PaddingFinding]:
    """The findings, in the order in which the layers were called."""
    findings = []
    for (kind, path), amounts in found.items():
        if kind == UNMASKED and first is not None and _is_unused(probe, path, first):
            continue
        problem, remedy = texts_of(kind, probe, path, amounts, value)
        findings.append(
            PaddingFinding(kind, path, amounts.rows, problem, remedy, kind == NOT_RIGHT)
        )
    return findings


def _is_unused(probe: Probe, path: str, batch: Batch) -> bool:
    """Whether a layer returns its last states beside the sequence, but the model ignores them.

    Such as a decoder, whose states another model uses.
    """
    return probe.recurrent[path].return_sequences and not probe.uses_states(batch.inputs, path)
