"""The error for what a module of `torch.nn` does not have."""

from typing import Any, NoReturn

from keras_rnnkit.running.names import name_of

REPLACED = (
    "Pass `dropout=` to `to_torch`: the rate between the layers of the module, in place of all "
    "dropout of the Keras layers. Predictions are the same."
)


def refuse(layer: Any, problem: str, **received: Any) -> NoReturn:
    """Raise the error for a layer that PyTorch has no counterpart of.

    Args:
        layer: The layer.
        problem: What PyTorch lacks, and what to do.
        **received: The arguments of the layer that ask for it.
    """
    values = "".join(f", {name}={value!r}" for name, value in received.items())
    raise ValueError(f"{problem} Received: layer={name_of(layer)}{values}")
