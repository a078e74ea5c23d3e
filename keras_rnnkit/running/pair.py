"""Both directions of a bidirectional layer in one call of cuDNN, on PyTorch.

cuDNN runs the two directions of one call at the same time. The rule says where this is possible.
Otherwise each layer runs by itself.
"""

from typing import Any

from keras import ops

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.kernels._arguments import Arguments, Plan
from keras_rnnkit.running.calls import Call, Carry, Steps, swap_batch_and_time
from keras_rnnkit.running.fused import arguments_of, kernel_of
from keras_rnnkit.running.rule import one_call_for_both
from keras_rnnkit.running.run import request_for


def runs_as_pair(
    layers: Any, sequences: Any, *, masked: bool, training: bool, zero_initial_states: bool
) -> bool:
    """Whether `run_pair` gives the results of two calls of `run`, and is faster.

    Args:
        layers: The forward layer, then the backward one.
        sequences: The input of both.
        masked: Whether there is a mask.
        training: Whether dropout applies.
        zero_initial_states: Whether all initial states are known to be zeros.
    """
    conditions = {"masked": masked, "training": training, "capture_gates": False}
    with backend_kernels().shared(*layers):
        forward, backward = (
            request_for(layer, sequences=sequences, **conditions) for layer in layers
        )
    return one_call_for_both(forward, backward, zero_initial_states=zero_initial_states)


def run_pair(layers: Any, calls: list[Call]) -> list[tuple[Carry, Steps]]:
    """What `run` returns for each layer and its call, by one call of the library's layer."""
    return_sequences = any(layer.return_sequences for layer in layers)
    plan = Plan(kernel_of(layers[0].cell), "native pair", return_sequences)
    args = [arguments_of(layer.cell, call) for layer, call in zip(layers, calls, strict=True)]
    last, result = backend_kernels().run(plan, _concatenated(*args), calls[0].training)
    outputs: list[Any] = [None, None]
    if return_sequences:
        outputs = ops.split(swap_batch_and_time(result.states[0]), 2, axis=-1)
        outputs[1] = ops.flip(outputs[1], axis=1)  # in running order
    count = len(last) // 2
    return [
        (Carry(states[0], list(states)), Steps(output))
        for states, output in zip((last[:count], last[count:]), outputs, strict=True)
    ]


def _concatenated(forward: Arguments, backward: Arguments) -> Arguments:
    """The arguments of the kernel for both directions, whose inputs and mask are equal."""
    weights = {
        name: ops.concatenate([getattr(forward, name), getattr(backward, name)], axis=-1)
        for name in ("kernel", "recurrent_kernel", "bias")
    }
    return forward._replace(states=[*forward.states, *backward.states], **weights)
