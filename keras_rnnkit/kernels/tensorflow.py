"""Whole sequences on TensorFlow, compiled by XLA where the number of steps is fixed or recurs."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, outputs
from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._chunks import added, chunk_length, gathered, zero_totals
from keras_rnnkit.kernels._gradients import all_gradients
from keras_rnnkit.kernels._linear import linear_backward_pass, linear_step
from keras_rnnkit.kernels._sequence import backward_pass, forward_pass
from keras_rnnkit.kernels._tensorflow_calls import TensorFlowCalls
from keras_rnnkit.kernels._tensorflow_compiling import by_xla, compiles, either, for_steps
from keras_rnnkit.kernels._tensorflow_gradients import off_tape, with_backward_pass
from keras_rnnkit.kernels._tensorflow_loop import loop
from keras_rnnkit.kernels._tensorflow_recompute import forgets

_FUNCTIONS = Functions(tf.sigmoid, tf.tanh)
_MASKS = ("mask", "recurrent_masks", "resets")

# From this width on, the backward pass on a CPU is chunked, with at least CHUNK_STEPS steps a chunk
# and at most MOST_CHUNKS chunks: the gradients of a chunk's pre-activations are still in the cache
# when they are multiplied. The graph holds every chunk by itself. Set with `benchmarks/methods.py`.
CHUNK_FROM_UNITS, CHUNK_STEPS, MOST_CHUNKS = 96, 20, 10


class TensorFlow(TensorFlowCalls):
    """The kernels on TensorFlow."""

    def run(self, plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
        # `training` saves what the backward pass needs; without it, a backward pass computes the
        # forward pass once more.
        training = training and not forgets()
        run_forward, gradients = _functions(plan, args.inputs[0])
        masks = {name: off_tape(getattr(args, name)) for name in _MASKS}
        without_masks = _without_masks(args)
        structure: list[Any] = []

        def packed(sources: Any) -> Arguments:
            return tree.pack_sequence_as(without_masks, list(sources))._replace(**masks)

        def forward(*sources: Any) -> tuple[list[Any], Steps]:
            last, steps = run_forward(packed(sources), training)
            structure[:] = [outputs(plan, last, steps)]
            for tensor in tree.flatten(structure[0][1]):
                # A graph that was made for any number of steps serves this one too, but forgets it.
                tensor.set_shape([*args.inputs[0].shape[:2], tensor.shape[-1]])
            return tree.flatten(structure[0]), steps

        def backward(sources: list[Any], steps: Steps, d_outputs: list[Any]) -> list[Any]:
            own = packed(sources)
            saved = steps if training else run_forward(own, True)[1]
            d_last, d_steps = tree.pack_sequence_as(structure[0], d_outputs)
            return list(gradients(own, saved, d_last, d_steps))

        def plain(*sources: Any) -> list[Any]:
            last, steps = _kernels(plan, xla=False)[0](packed(sources), False)
            return tree.flatten(outputs(plan, last, steps))

        sources = tree.flatten(without_masks)
        # A first layer's inputs need no gradients, which are then left out.
        groups = [len(args.inputs), len(sources) - len(args.inputs)]
        flat = with_backward_pass(forward, backward, plain, sources, groups)
        return tree.pack_sequence_as(structure[0], flat)

    def linear_recurrence(self, a: Any, b: Any, first: Any) -> Any:
        run_forward, run_backward = _linear_kernels(compiles(a.shape[0]))

        def forward(a: Any, b: Any, first: Any) -> tuple[list[Any], Any]:
            states = run_forward(a, b, first)
            return [states], states

        def backward(sources: list[Any], states: Any, d_outputs: list[Any]) -> list[Any]:
            a, _, first = sources
            return list(run_backward(a, first, states, *d_outputs))

        def plain(a: Any, b: Any, first: Any) -> list[Any]:
            return [_linear_loop(a, b, first)]

        return with_backward_pass(forward, backward, plain, [a, b, first], [3])[0]


def _without_masks(args: Arguments) -> Arguments:
    """The arguments that have gradients."""
    return args._replace(**{name: [] for name in _MASKS})


def _functions(plan: Plan, inputs: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel, and a function for the gradients of all arguments but the masks, in a list."""
    if plan.method == "hoisted or per gate":
        per_gate = _functions(plan._replace(method="per gate"), inputs)
        if not compiles(inputs.shape[0]):
            return per_gate
        hoisted = _functions(plan._replace(method="hoisted"), inputs)
        single = tf.shape(inputs)[1] == 1
        return either(single, hoisted[0], per_gate[0]), either(single, hoisted[1], per_gate[1])
    kernels = (_kernels(plan, xla) for xla in (True, False))
    run_forward, run_backward = for_steps(inputs, *kernels)

    # Only the loop is compiled: TensorFlow's own large products are faster than XLA's, and it
    # leaves out those whose results are not used.
    def gradients(*args: Any) -> list[Any]:
        return tree.flatten(_without_masks(_gradients(plan, run_backward, *args)))

    return run_forward, gradients


@functools.cache
def _kernels(plan: Plan, xla: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel and its backward pass, compiled by XLA (even where the model is not), or plain."""

    def run_forward(args: Any, save: bool) -> Any:
        return forward_pass(plan, args, _FUNCTIONS, _loop, save)

    def run_backward(args: Any, steps: Any, d_last: Any, d_steps: Any) -> Any:
        return backward_pass(plan, args, steps, d_last, d_steps, _FUNCTIONS, _loop)

    return (by_xla(run_forward), by_xla(run_backward)) if xla else (run_forward, run_backward)


def _loop(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    like = tree.flatten(carry)[0]
    kinds = [(like.dtype, (like.shape[0], width)) for width in tree.flatten(widths)]
    last, stacked = loop(step, carry, xs, kinds, reverse)
    return last, tree.pack_sequence_as(widths, stacked)


def _gradients(
    plan: Plan, run_backward: Any, args: Arguments, steps: Steps, d_last: Any, d_steps: Steps
) -> Arguments:
    """The gradients of all arguments, in chunks from the last to the first where it is faster."""
    length = _chunk_length(plan, args)
    if length is None:
        return all_gradients(plan, run_backward, args, steps, d_last, d_steps)
    d_states, totals = d_last, zero_totals(args)
    d_inputs: list[list[Any]] = []
    for start in reversed(range(0, args.inputs[0].shape[0], length)):
        part = functools.partial(_between, start=start, stop=start + length)
        inputs, mask, resets, chunk_steps, d_chunk_steps = tree.map_structure(
            part, (args.inputs, args.mask, args.resets, steps, d_steps)
        )
        chunk_args = args._replace(inputs=inputs, mask=mask, resets=resets)
        d_args = all_gradients(plan, run_backward, chunk_args, chunk_steps, d_states, d_chunk_steps)
        d_states, totals = [*d_args.states, *d_args.fresh], added(totals, d_args)
        d_inputs.insert(0, d_args.inputs)
    whole = [tf.concat(chunks, axis=0) for chunks in zip(*d_inputs, strict=True)]
    return gathered(args, whole, d_states, totals)


def _between(tensor: Any, start: int, stop: int) -> Any:
    return tensor[start:stop]


def _chunk_length(plan: Plan, args: Arguments) -> int | None:
    """How many steps make a chunk of the backward pass; `None` for no chunks.

    No chunks, too, where no length divides the steps.
    """
    steps = args.inputs[0].shape[0]
    # The rule takes this method on a CPU alone.
    if plan.method != "per gate" or steps is None or args.states[0].shape[-1] < CHUNK_FROM_UNITS:
        return None
    return chunk_length(steps, max(CHUNK_STEPS, -(-steps // MOST_CHUNKS)))


@functools.cache
def _linear_kernels(xla: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    run_backward = functools.partial(linear_backward_pass, _linear_loop)
    return (by_xla(_linear_loop), by_xla(run_backward)) if xla else (_linear_loop, run_backward)


def _linear_loop(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    return loop(linear_step, first, (a, b), [(b.dtype, b.shape[1:])], reverse)[1][0]


KERNELS = TensorFlow()
