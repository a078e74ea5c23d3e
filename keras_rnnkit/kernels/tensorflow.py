"""Whole sequences on TensorFlow, compiled by XLA where the number of steps is fixed or recurs."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._chunks import (
    added,
    all_gradients,
    fitting_length,
    gathered,
    no_sums,
)
from keras_rnnkit.kernels._linear import backward_pass
from keras_rnnkit.kernels._sequence import (
    Arguments,
    Plan,
    Steps,
    backward,
    forward,
    shown,
)
from keras_rnnkit.kernels._tensorflow_compiling import by_xla, compiles, for_steps
from keras_rnnkit.kernels._tensorflow_gradients import by_hand, off_tape, run_again
from keras_rnnkit.kernels._tensorflow_loop import loop, scan

__all__ = ["compiled", "linear_scan", "of_batch", "run", "scan", "together"]

_TO = Functions(tf.sigmoid, tf.tanh)

# From this width on, the backward pass on a CPU is chunked, with at least STEPS steps a chunk and
# at most BLOCKS chunks: the gradients of a chunk's pre-activations are still in the cache when they
# are multiplied. The graph holds every chunk by itself. Set with `benchmarks/methods.py`.
CHUNK_FROM_UNITS, STEPS, BLOCKS = 96, 20, 10


def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """The last states, and of the steps what the plan asks for.

    Args:
        plan: What is fixed.
        args: The tensors, time first.
        training: Whether to save what the backward pass needs; if not, it is recomputed at need.
    """
    ahead, back = for_steps(args.inputs[0], *(_kernels(plan, xla) for xla in (True, False)))
    args = args._replace(keep=off_tape(args.keep), drop=off_tape(args.drop))
    structure: list[Any] = []

    def forward_pass(*sources: Any) -> tuple[list[Any], Steps]:
        last, steps = ahead(_with(args, sources), training)
        structure[:] = [shown(plan, last, steps)]
        for tensor in tree.flatten(structure[0][1]):
            # A graph that was made for any number of steps serves this one too, but forgets it.
            tensor.set_shape([*args.inputs[0].shape[:2], tensor.shape[-1]])
        return tree.flatten(structure[0]), steps

    def backward_pass(sources: list[Any], steps: Steps, d_outputs: list[Any]) -> list[Any]:
        packed = _with(args, sources)
        every = steps if training else ahead(packed, True)[1]
        d_last, d_steps = tree.pack_sequence_as(structure[0], d_outputs)
        # What `back` leaves over is not compiled: TensorFlow's own large products are faster
        # than XLA's, and it leaves out those that nobody asks for.
        length = _block_length(plan, packed)
        found = (
            all_gradients(plan, back, packed, every, d_last, d_steps)
            if length is None
            else _in_blocks(plan, back, packed, every, d_last, d_steps, length)
        )
        return _sources(found)

    def plain(*sources: Any) -> list[Any]:
        last, steps = _kernels(plan, xla=False)[0](_with(args, sources), False)
        return tree.flatten(shown(plan, last, steps))

    sources = _sources(args)
    # A first layer's inputs need no gradients, which are then left out.
    groups = [len(args.inputs), len(sources) - len(args.inputs)]
    flat = by_hand(forward_pass, backward_pass, plain, sources, groups)
    return tree.pack_sequence_as(structure[0], flat)


def _sources(args: Arguments) -> list[Any]:
    """Of the arguments, or of their gradients, those to differentiate by."""
    return [*args.inputs, *args.states, args.kernel, args.recurrent_kernel, args.bias]


def _with(args: Arguments, sources: Any) -> Arguments:
    """The arguments with other such tensors."""
    count = len(args.inputs)
    *states, kernel, recurrent_kernel, bias = sources[count:]
    return Arguments(
        list(sources[:count]), states, kernel, recurrent_kernel, bias, args.keep, args.drop
    )


def _in_blocks(
    plan: Plan, back: Any, args: Arguments, steps: Steps, d_last: Any, d_steps: Any, length: int
) -> Arguments:
    """The gradients of all arguments by blocks of so many steps, the last one first."""
    d_states, sums = d_last, no_sums(args)
    d_inputs: list[list[Any]] = []
    for start in reversed(range(0, args.inputs[0].shape[0], length)):
        inputs, keep, own, d_own = _between(
            (args.inputs, args.keep, steps, d_steps), start, start + length
        )
        of_block = args._replace(inputs=inputs, keep=keep)
        found = all_gradients(plan, back, of_block, own, d_states, d_own)
        d_states, sums = found.states, added(sums, found)
        d_inputs.insert(0, found.inputs)
    joined = [tf.concat(blocks, axis=0) for blocks in zip(*d_inputs, strict=True)]
    return gathered(args, joined, d_states, sums)


def _block_length(plan: Plan, args: Arguments) -> int | None:
    """How many steps make a block of the backward pass; `None` for all at once.

    All at once, too, where no length divides the steps.
    """
    steps = args.inputs[0].shape[0]
    # The rule multiplies in the step on a CPU alone.
    if plan.method != "per gate" or steps is None or args.states[0].shape[-1] < CHUNK_FROM_UNITS:
        return None
    return fitting_length(steps, max(STEPS, -(-steps // BLOCKS)))


def _between(tensors: Any, start: int, stop: int) -> Any:
    """These steps of a structure of tensors, time first."""
    return tree.map_structure(lambda tensor: tensor[start:stop], tensors)


@functools.cache
def _kernels(plan: Plan, xla: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel and its backward pass, compiled by XLA (even where the model is not), or plain."""

    def ahead(args: Any, save: bool) -> Any:
        return forward(plan, args, _TO, _scan, save)

    def back(args: Any, steps: Any, d_last: Any, d_steps: Any) -> Any:
        return backward(plan, args, steps, d_last, d_steps, _TO, _scan)

    return (by_xla(ahead), by_xla(back)) if xla else (ahead, back)


def _scan(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    like = tree.flatten(carry)[0]
    kinds = [(like.dtype, (like.shape[0], width)) for width in tree.flatten(widths)]
    last, kept = loop(step, carry, xs, kinds, reverse)
    return last, tree.pack_sequence_as(widths, kept)


def compiled(function: Callable[..., Any], variables: list[Any], xla: bool) -> Callable[..., Any]:
    """The function of tensors as a graph; it reads the variables as they then are."""
    return tf.function(function, autograph=False, jit_compile=xla)


def together(function: Callable[..., Any], variables: list[Any]) -> Callable[..., Any]:
    """The function as one XLA program where that can be, so that its operations share loops.

    Args:
        function: Takes structures of tensors, or `None`, the first one time first.
        variables: Those that it reads.
    """

    def run(*args: Any) -> Any:
        if not compiles(args[0].shape[0]):
            return function(*args)
        return _together(function, variables, args)

    return run


def _together(function: Callable[..., Any], variables: list[Any], args: tuple[Any, ...]) -> Any:
    count, structure = len(variables), [None]
    given = [tensor for tensor in tree.flatten(args) if tensor is not None]

    def plain(*sources: Any) -> list[Any]:
        tensors = iter(sources[count:])
        own = tree.map_structure(lambda t: None if t is None else next(tensors), args)
        mapping = list(zip(variables, sources[:count], strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            structure[0] = function(*own)
        return tree.flatten(structure[0])

    flat = run_again(by_xla(plain), plain, [*(v.value for v in variables), *given])
    return tree.pack_sequence_as(structure[0], flat)


def linear_scan(a: Any, b: Any, first: Any) -> Any:
    """H = a h + b, step by step.

    Args:
        a: `(time, batch, units)`.
        b: `(time, batch, units)`.
        first: `(batch, units)`.

    Returns:
        The state after every step, `(time, batch, units)`.
    """
    ahead, back = _linear_kernels(compiles(a.shape[0]))

    def forward_pass(a: Any, b: Any, first: Any) -> tuple[list[Any], Any]:
        every = ahead(a, b, first)
        return [every], every

    def backward_pass(sources: list[Any], every: Any, d_outputs: list[Any]) -> list[Any]:
        a, _, first = sources
        return list(back(a, first, every, *d_outputs))

    def plain(a: Any, b: Any, first: Any) -> list[Any]:
        return [_linear(a, b, first)]

    return by_hand(forward_pass, backward_pass, plain, [a, b, first], [3])[0]


@functools.cache
def _linear_kernels(xla: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    back = functools.partial(backward_pass, _linear)
    return (by_xla(_linear), by_xla(back)) if xla else (_linear, back)


def _linear(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    def step(h: Any, current: Any) -> tuple[Any, Any]:
        a_t, b_t = current
        h = a_t * h + b_t
        return h, h

    return loop(step, first, (a, b), [(b.dtype, b.shape[1:])], reverse)[1][0]


def of_batch(tensor: Any, batch: int) -> Any:
    """The same tensor, of a known batch size; another one fails when it comes.

    Args:
        tensor: `(batch, ...)`, where the batch size may be unknown.
        batch: What it must be.
    """
    return tf.ensure_shape(tensor, [batch, *tensor.shape[1:]])
