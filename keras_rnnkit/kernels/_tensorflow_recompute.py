"""A loop over chunks of steps on TensorFlow, each of which the backward pass runs again.

`tf.recompute_grad` does not serve: in a loop, TensorFlow still keeps what it computes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from keras_rnnkit.kernels._recompute import values_of
from keras_rnnkit.kernels._tensorflow_gradients import off_tape, with_backward_pass
from keras_rnnkit.kernels._tensorflow_loop import loop


class _Sources(NamedTuple):
    """The tensors that may have a gradient."""

    chunks: list[Any]  # those of `xs` that are floats
    values: list[Any]  # of the variables
    carry: list[Any]


def recomputing_loop(
    step: Callable[..., Any], variables: list[Any], carry: Any, xs: list[Any], kinds: Any
) -> tuple[Any, list[Any]]:
    """The loop of `Kernels.recomputing_loop`."""
    floats = [x.dtype.is_floating for x in xs]
    masks = off_tape([x for x, is_float in zip(xs, floats, strict=True) if not is_float])
    values, scope = values_of(variables)
    chunks = [x for x, is_float in zip(xs, floats, strict=True) if is_float]
    like = _Sources(chunks, values, tree.flatten(carry))

    def flat_step(values: list[Any], states: list[Any], chunk: Any, masks: Any) -> list[Any]:
        """The new carry, then the tensors of the chunk."""
        chunk, masks = iter(chunk), iter(masks)
        current = [next(chunk if is_float else masks) for is_float in floats]
        with scope(values):
            new, outputs = step(tree.pack_sequence_as(carry, states), current)
        return [*tree.flatten(new), *outputs]

    def run(flat: Any, save: bool) -> tuple[list[Any], list[Any]]:
        """The last carry and the tensors of all chunks; and with `save` the carry before each."""
        sources = tree.pack_sequence_as(like, list(flat))
        count = len(sources.carry)

        def body(states: list[Any], current: Any) -> Any:
            new = flat_step(sources.values, states, *current)
            return new[:count], [*new[count:], *(states if save else [])]

        of_states = [(state.dtype, state.shape) for state in sources.carry] if save else []
        last, stacked = loop(body, sources.carry, (sources.chunks, masks), [*kinds, *of_states])
        return [*last, *stacked[: len(kinds)]], stacked[len(kinds) :]

    def backward(flat: list[Any], saved: list[Any], d_outputs: list[Any]) -> list[Any]:
        sources = tree.pack_sequence_as(like, flat)
        count = len(sources.carry)

        def body(carry: Any, current: Any) -> Any:
            d_states, totals = carry
            chunk, masks, states, d_chunk = current
            own = _Sources(chunk, sources.values, states)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(own)
                outputs = flat_step(own.values, own.carry, chunk, masks)
            gradients = tape.gradient(
                outputs,
                tree.flatten(own),
                output_gradients=[*d_states, *d_chunk],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            d = tree.pack_sequence_as(like, gradients)
            return (d.carry, [a + b for a, b in zip(totals, d.values, strict=True)]), d.chunks

        first = (d_outputs[:count], [tf.zeros_like(value) for value in sources.values])
        xs = (sources.chunks, masks, saved, d_outputs[count:])
        of_chunks = [(x.dtype, x.shape[1:]) for x in sources.chunks]
        (d_first, totals), d_chunks = loop(body, first, xs, of_chunks, reverse=True)
        return tree.flatten(_Sources(d_chunks, totals, d_first))

    flat = tree.flatten(like)
    groups = [len(chunks), len(flat) - len(chunks)]
    result = with_backward_pass(
        lambda *flat: run(flat, True), backward, lambda *flat: run(flat, False)[0], flat, groups
    )
    count = len(like.carry)
    return tree.pack_sequence_as(carry, result[:count]), result[count:]
