"""Both directions of a bidirectional layer in one call of the library's layer.

cuDNN runs the two directions beside each other, which two calls do not. It serves where both layers
would call it anyway, with equal options and the same inputs. Elsewhere each layer runs by itself.
"""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.kernels._arguments import Arguments, Plan
from keras_rnnkit.running.calls import Call, Carry
from keras_rnnkit.running.fused import arguments_of, kernel_of
from keras_rnnkit.running.rule import one_call_serves
from keras_rnnkit.running.run import request_for


def runs_as_pair(
    layers: Any, sequences: Any, *, masked: bool, training: bool, starts_at_zero: bool
) -> bool:
    """Whether `run_pair` serves, and is faster than two calls of `run`.

    Args:
        layers: The forward layer, then the backward one.
        sequences: The input of both.
        masked: Whether there is a mask.
        training: Whether dropout applies.
        starts_at_zero: Whether all first states are known to be zeros.
    """
    cells = [layer.cell for layer in layers]
    if keras.config.backend() != "torch" or _on_cpu(cells[0]):
        return False
    # Each direction would drop other inputs and weights.
    random = ("dropout", "recurrent_weight_dropout")
    if training and any(getattr(cell, name, 0) for cell in cells for name in random):
        return False
    # Backward, identity steps come first, and there an LSTM keeps no hidden state but zero.
    if masked and not starts_at_zero:
        return False
    conditions = {"masked": masked, "training": training, "capture_gates": False}
    return one_call_serves(
        *(request_for(layer, sequences=sequences, **conditions) for layer in layers)
    )


def _on_cpu(cell: Any) -> bool:
    """Whether the weights of a cell are on a CPU, which is quicker to ask than the rule."""
    kernel = getattr(cell, "kernel", None)
    return kernel is None or kernel.value.device.type == "cpu"


def run_pair(layers: Any, calls: list[Call]) -> list[tuple[Carry, Carry]]:
    """What `run` returns for each layer and its call, by one call of the library's layer."""
    each = [arguments_of(layer.cell, call) for layer, call in zip(layers, calls, strict=True)]
    both = {
        name: ops.concatenate([getattr(args, name) for args in each], axis=-1)
        for name in ("kernel", "recurrent_kernel", "bias")
    }
    forward, backward = each
    args = Arguments(
        inputs=forward.inputs,
        states=[*forward.states, *backward.states],
        mask=forward.mask,
        recurrent_masks=[],
        **both,
    )
    sequences = any(layer.return_sequences for layer in layers)
    plan = Plan(kernel_of(layers[0].cell), "native pair", sequences)
    last, steps = backend_kernels().run(plan, args, calls[0].training)
    outputs: list[Any] = [None, None]
    if sequences:
        every = ops.swapaxes(steps.states[0], 0, 1)
        outputs = ops.split(every, 2, axis=-1)
        outputs[1] = ops.flip(outputs[1], axis=1)  # in running order
    count = len(last) // 2
    return [
        (Carry(states[0], list(states), ()), Carry(output, (), ()))
        for states, output in zip((last[:count], last[count:]), outputs, strict=True)
    ]
