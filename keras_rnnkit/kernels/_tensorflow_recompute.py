"""A loop over chunks of steps on TensorFlow, each of which the backward pass runs again.

`tf.recompute_grad` does not serve: in a loop, TensorFlow still keeps what it computes.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from keras_rnnkit.kernels._recompute import values_of
from keras_rnnkit.kernels._tensorflow_gradients import off_tape, with_backward_pass
from keras_rnnkit.kernels._tensorflow_loop import loop

_forgets: ContextVar[bool] = ContextVar("forgets", default=False)

# Chunks that run again do not depend on each other: this many are in memory at the same time.
_PARALLEL = 2


def forgets() -> bool:
    """Whether the forward pass of a kernel runs only for its results, and will run again."""
    return _forgets.get()


@contextlib.contextmanager
def _forgetting() -> Iterator[None]:
    token = _forgets.set(True)
    try:
        yield
    finally:
        _forgets.reset(token)


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
    number = chunks[0].shape[0]
    # Each chunk is cut out where it is used: a `tf.TensorArray` would copy all of them.
    indices = tf.range(tf.shape(chunks[0])[0] if number is None else number)
    like = _Sources(chunks, values, tree.flatten(carry))

    def flat_step(values: list[Any], states: list[Any], own: list[Any], i: Any) -> list[Any]:
        """The new carry, then the tensors of chunk `i`, whose floats are given."""
        rest, own_masks = iter(own), iter(masks)
        current = [next(rest) if is_float else next(own_masks)[i] for is_float in floats]
        with scope(values):
            new, outputs = step(tree.pack_sequence_as(carry, states), current)
        return [*tree.flatten(new), *outputs]

    def run(flat: Any, save: bool) -> tuple[list[Any], list[Any]]:
        """The last carry and the tensors of all chunks; and with `save` the carry before each."""
        sources = tree.pack_sequence_as(like, list(flat))
        count = len(sources.carry)

        def body(states: list[Any], i: Any) -> Any:
            own = [x[i] for x in sources.chunks]
            with _forgetting() if save else contextlib.nullcontext():
                new = flat_step(sources.values, states, own, i)
            return new[:count], [*new[count:], *(states if save else [])]

        of_states = [(state.dtype, state.shape) for state in sources.carry] if save else []
        last, stacked = loop(body, sources.carry, indices, [*kinds, *of_states])
        return [*last, *stacked[: len(kinds)]], stacked[len(kinds) :]

    def backward(flat: list[Any], saved: list[Any], d_outputs: list[Any]) -> list[Any]:
        sources = tree.pack_sequence_as(like, flat)
        count = len(sources.carry)

        def body(carry: Any, current: Any) -> Any:
            d_states, totals = carry
            i, states = current
            own = _Sources([x[i] for x in sources.chunks], sources.values, states)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(own)
                outputs = flat_step(own.values, own.carry, own.chunks, i)
            gradients = tape.gradient(
                outputs,
                tree.flatten(own),
                output_gradients=[*d_states, *(d[i] for d in d_outputs[count:])],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            d = tree.pack_sequence_as(like, gradients)
            return (d.carry, [a + b for a, b in zip(totals, d.values, strict=True)]), d.chunks

        first = (d_outputs[:count], [tf.zeros_like(value) for value in sources.values])
        of_chunks = [(x.dtype, x.shape[1:]) for x in sources.chunks]
        (d_first, totals), d_chunks = loop(
            body, first, (indices, saved), of_chunks, reverse=True, parallel=_PARALLEL
        )
        return tree.flatten(_Sources(d_chunks, totals, d_first))

    flat = tree.flatten(like)
    groups = [len(chunks), len(flat) - len(chunks)]
    result = with_backward_pass(
        lambda *flat: run(flat, True), backward, lambda *flat: run(flat, False)[0], flat, groups
    )
    count = len(like.carry)
    return tree.pack_sequence_as(carry, result[:count]), result[count:]
