"""The texts of the findings of `check_padding`."""

from typing import Any

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.models._padding_rules import EMPTY, NOT_RIGHT, UNKNOWN, UNMASKED, Amounts


def texts_of(kind: str, probe: Any, path: str, amounts: Amounts, value: Any) -> tuple[str, str]:
    """The problem of a finding, and its remedy.

    Args:
        kind: The kind of the finding.
        probe: The `Probe`, with the layers.
        path: The path of the layer.
        amounts: The rows of the finding, and the range of its numbers.
        value: What pads.
    """
    if kind == UNMASKED:
        layer = probe.recurrent[path]
        return _unmasked(layer, amounts), _mask_or_side(probe, layer, value)
    if kind == NOT_RIGHT:
        return _not_right(probe.recurrent[path])
    if kind == UNKNOWN:
        return _unknown(probe.embeddings[path].input_dim, amounts)
    assert kind == EMPTY
    return (
        "All steps of these rows are padding, so the model has nothing to read in them.",
        "leave these rows out. They come from empty texts, or from a `maxlen` or a vocabulary that "
        "removes all of a text.",
    )


def _unmasked(layer: Any, amounts: Amounts) -> str:
    least, most = amounts.least, amounts.most
    steps = f"{most} steps" if least == most else f"{least} to {most} steps"
    steps = "1 step" if most == 1 else steps
    side, runs = ("begin with", ", which runs backward,") if layer.go_backwards else ("end in", "")
    return (
        f"These rows {side} {steps} of padding that no mask leaves out. The layer{runs} returns "
        "its last step, so its result is that of the padding."
    )


def _mask_or_side(probe: Any, layer: Any, value: Any) -> str:
    sources = [path for path, one in probe.embeddings.items() if one.mask_zero]
    sources += list(probe.maskings)
    if sources:
        remedy = (
            f"pass the mask of '{sources[0]}' on to this layer. A layer between them does not "
            "(one of your own does with `supports_masking = True`); or call this layer with `mask=`"
        )
        if not isinstance(layer, Recurrent):
            remedy += ". With an `initial_state`, `keras.layers` ignore the mask; the kit's do not"
    elif probe.embeddings and value == 0:
        remedy = "use `mask_zero=True` in the `Embedding`, or call this layer with `mask=`"
    elif probe.embeddings:
        remedy = "pad with 0 and use `mask_zero=True` in the `Embedding`, or pass `mask=`"
    else:
        remedy = f"put `keras.layers.Masking(mask_value={value})` in front, or pass `mask=`"
    if any(one.go_backwards for one in probe.recurrent.values()):
        return f"{remedy}. Padding on the other side moves the problem to the other direction."
    return f'{remedy}; without a mask, pad on the left (`padding="pre"`).'


def _not_right(layer: Any) -> tuple[str, str]:
    kind = type(layer).__name__
    return (
        "The mask of these rows is not right-padded, or leaves out all of their steps. On a GPU, "
        f"`keras.layers.{kind}` on TensorFlow runs on cuDNN, which refuses such a mask; on a CPU "
        "it makes no difference.",
        'pad on the right (`padding="post"`) and leave out rows without a valid step; or use '
        f"`keras_rnnkit.{kind}` (`keras_rnnkit.from_keras(model)`), which accepts any mask, or "
        "`use_cudnn=False`, which is slower.",
    )


def _unknown(input_dim: int, amounts: Amounts) -> tuple[str, str]:
    least, most = amounts.least, amounts.most
    numbers = f"{most}" if least == most else f"{least} to {most}"
    remedies = []
    if most >= input_dim:
        remedies.append(
            f"limit the ids when you encode (`num_words={input_dim}`), or make `input_dim` at "
            f"least {most + 1}"
        )
    if least < 0:
        remedies.append("look for a wrong offset, or a padding value below 0")
    return (
        f"The `Embedding` has vectors for the ids 0 to {input_dim - 1}, but these rows have ids "
        f"out of range: {numbers}. Depending on the backend and the device, that is an error, or "
        "silently a wrong vector.",
        f"{'; '.join(remedies)}.",
    )
