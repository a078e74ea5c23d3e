"""Functions whose backward pass is written by hand, for any number of tapes.

TensorFlow may differentiate a compiled function twice where more than one tape watches it, or a
persistent one: it then hands all that is inside across XLA's border, which fails. So the compiled
functions never see a tensor that a tape watches. The derivatives of the gradients, which they then
do not have, are those of the same computation without a backward pass of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from keras import tree


def off_tape(tensors: Any) -> Any:
    """The same structure of tensors, which no tape watches."""
    return tree.map_structure(lambda t: t if t is None else tf.stop_gradient(t), tensors)


def _floating(tensors: Any) -> list[Any]:
    """The tensors of a structure that have gradients: a tape warns of all others, such as masks."""
    return [tensor for tensor in tree.flatten(tensors) if tensor.dtype.is_floating]


def with_backward_pass(
    forward: Callable[..., tuple[list[Any], Any]],
    backward: Callable[..., list[Any]],
    plain: Callable[..., list[Any]],
    sources: Sequence[Any],
    groups: Sequence[int],
) -> list[Any]:
    """What `forward` computes, with `backward` as its backward pass.

    Args:
        forward: `forward(*sources)`, a list of tensors, and what to save for the backward pass.
        backward: `backward(sources, saved, d_outputs)`, the gradients of the sources.
        plain: `plain(*sources)`, the same list by operations that TensorFlow can differentiate.
        sources: The tensors to differentiate by.
        groups: How many gradients each group has, in their order: those of one group are computed
            as soon as one of them is asked for.
    """

    @tf.custom_gradient
    def differentiable(*sources: Any) -> tuple[Any, Any]:
        hidden = [tf.stop_gradient(source) for source in sources]
        # Nor are the results seen by a tape: those that are saved may be handed out of a graph,
        # and TensorFlow differentiates all that is.
        outputs, saved = off_tape(forward(*hidden))

        def gradients(*d_outputs: Any) -> list[Any]:
            d_sources = backward(hidden, saved, [tf.stop_gradient(d) for d in d_outputs])
            return _with_derivatives(plain, list(sources), list(d_outputs), d_sources, groups)

        return outputs, gradients

    # A variable would count as one that the function closes over, not as an argument.
    return list(differentiable(*map(tf.convert_to_tensor, sources)))


def with_plain_gradients(
    compiled: Callable[..., list[Any]], plain: Callable[..., list[Any]], sources: Sequence[Any]
) -> list[Any]:
    """What `compiled` computes, with the gradients of `plain`, which runs only for them."""

    def backward(sources: list[Any], saved: Any, d_outputs: list[Any]) -> list[Any]:
        return _gradients(plain, sources, d_outputs)

    return with_backward_pass(
        lambda *sources: (compiled(*sources), None), backward, plain, sources, [len(sources)]
    )


def _with_derivatives(
    plain: Callable[..., list[Any]],
    sources: list[Any],
    d_outputs: list[Any],
    d_sources: list[Any],
    groups: Sequence[int],
) -> list[Any]:
    """The gradients as differentiable functions of the sources and of the outputs' gradients."""
    result, start = [], 0
    for count in groups:
        part = slice(start, start + count)
        result += _group(plain, sources, d_outputs, d_sources[part], part)
        start += count
    return result


def _group(
    plain: Callable[..., list[Any]],
    sources: list[Any],
    d_outputs: list[Any],
    d_sources: list[Any],
    part: slice,
) -> list[Any]:
    @tf.custom_gradient
    def known(*tensors: Any) -> tuple[Any, Any]:
        sources, d_outputs = list(tensors[:count]), list(tensors[count:])

        def derivatives(*d_results: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(_floating([*sources, *d_outputs]))
                first = _gradients(plain, sources, d_outputs)[part]
            return tape.gradient(
                first,
                [*sources, *d_outputs],
                output_gradients=list(d_results),
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )

        return d_sources, derivatives

    count = len(sources)
    return list(known(*sources, *d_outputs))


def _gradients(
    plain: Callable[..., list[Any]], sources: list[Any], d_outputs: list[Any]
) -> list[Any]:
    with tf.GradientTape() as tape:
        tape.watch(_floating(sources))
        outputs = plain(*sources)
    gradients = tape.gradient(outputs, sources, output_gradients=d_outputs)
    if all(gradient is None for gradient in gradients):
        # Inside a `tf.autodiff.ForwardAccumulator` no tape records.
        raise NotImplementedError(
            "A recurrent layer on its fused path cannot be differentiated by a "
            '`tf.autodiff.ForwardAccumulator`. Make the layer with `path="portable"`. '
            f"Received: gradients={gradients}"
        )
    pairs = zip(gradients, sources, strict=True)
    return [tf.zeros_like(source) if d is None else d for d, source in pairs]
