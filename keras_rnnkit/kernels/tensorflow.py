"""Whole sequences on TensorFlow, compiled by XLA, and a scan that XLA can differentiate.

`keras.ops.scan` does not tell TensorFlow the number of steps, so XLA cannot give the gradient's
stacks a size, and training with `jit_compile=True` fails. The scan here does.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree

from keras_rnnkit.kernels._blocks import (
    added,
    all_gradients,
    fitting_length,
    gathered,
    no_sums,
)
from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._linear import way_back
from keras_rnnkit.kernels._sequence import (
    Arguments,
    Plan,
    Steps,
    backward,
    forward,
    shown,
)

_TO = Functions(tf.sigmoid, tf.tanh)

# From this width on, the way back on a CPU goes by blocks of steps, of so many or more and at most
# so many of them: the gradients of a block's sums are still at hand when they are multiplied. Every
# block is in the graph by itself. Set with `benchmarks/methods.py`.
BLOCKS_FROM, STEPS, BLOCKS = 96, 20, 10


def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """The last states, and of the steps what the plan asks for.

    Args:
        plan: What is fixed.
        args: The tensors, time first.
        training: Whether to keep all that the way back needs; if not, it is made again at need.
    """
    ahead, back = _compiled(plan, eager=tf.executing_eagerly())
    structure: list[Any] = []

    @tf.custom_gradient
    def differentiable(*flat: Any) -> tuple[Any, Any]:
        packed = tree.pack_sequence_as(args, list(flat))
        last, steps = ahead(packed, training)
        structure[:] = [shown(plan, last, steps)]
        for tensor in tree.flatten(structure[0][1]):
            # A graph that was made for any number of steps serves this one too, but forgets it.
            tensor.set_shape([*args.inputs[0].shape[:2], tensor.shape[-1]])

        def gradients(*d_flat: Any) -> Any:
            every = steps if training else ahead(packed, True)[1]
            d_last, d_steps = tree.pack_sequence_as(structure[0], list(d_flat))
            # What `back` leaves over is not compiled: TensorFlow's own large products are faster
            # than XLA's, and it leaves out those that nobody asks for.
            length = _block_length(plan, packed)
            found = (
                all_gradients(plan, back, packed, every, d_last, d_steps)
                if length is None
                else _in_blocks(plan, back, packed, every, d_last, d_steps, length)
            )
            return tree.flatten(found)

        return tree.flatten(structure[0]), gradients

    # A variable would count as one that the function closes over, not as an argument.
    flat = differentiable(*map(tf.convert_to_tensor, tree.flatten(args)))
    return tree.pack_sequence_as(structure[0], flat)


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
    """How many steps make a block of the way back; `None` for all at once.

    All at once, too, where no length divides the steps.
    """
    steps = args.inputs[0].shape[0]
    # The rule multiplies in the step on a CPU alone.
    if plan.method != "in step" or steps is None or args.states[0].shape[-1] < BLOCKS_FROM:
        return None
    return fitting_length(steps, max(STEPS, -(-steps // BLOCKS)))


def _between(tensors: Any, start: int, stop: int) -> Any:
    """These steps of a structure of tensors, time first."""
    return tree.map_structure(lambda tensor: tensor[start:stop], tensors)


@functools.cache
def _compiled(plan: Plan, eager: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel and its way back: in a graph compiled by XLA, whether or not the model is.

    Eagerly they run as they are, since compiling takes longer than a call.
    """

    def ahead(args: Any, save: bool) -> Any:
        return forward(plan, args, _TO, _scan, save)

    def back(args: Any, steps: Any, d_last: Any, d_steps: Any) -> Any:
        return backward(plan, args, steps, d_last, d_steps, _TO, _scan)

    if eager:
        return ahead, back
    compiled = functools.partial(tf.function, jit_compile=True, autograph=False)
    return compiled(ahead), compiled(back)


def _scan(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    like = tree.flatten(carry)[0]
    kinds = [(like.dtype, (like.shape[0], width)) for width in tree.flatten(widths)]
    last, kept = _loop(step, carry, xs, kinds, reverse)
    return last, tree.pack_sequence_as(widths, kept)


def compiled(function: Callable[..., Any], variables: list[Any], xla: bool) -> Callable[..., Any]:
    """The function of tensors as a graph; it reads the variables as they then are."""
    return tf.function(function, autograph=False, jit_compile=xla)


def together(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one XLA program where a graph is made, so that its operations share loops."""
    if tf.executing_eagerly():
        return function
    return tf.function(function, jit_compile=True, autograph=False)


def linear_scan(a: Any, b: Any, first: Any) -> Any:
    """H = a h + b, step by step.

    Args:
        a: `(time, batch, units)`.
        b: `(time, batch, units)`.
        first: `(batch, units)`.

    Returns:
        The state after every step, `(time, batch, units)`.
    """
    ahead, back = _linear_compiled(eager=tf.executing_eagerly())

    @tf.custom_gradient
    def differentiable(a: Any, b: Any, first: Any) -> tuple[Any, Any]:
        every = ahead(a, b, first)
        return every, lambda d_every: back(a, first, every, d_every)

    return differentiable(a, b, first)


@functools.cache
def _linear_compiled(eager: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    back = functools.partial(way_back, _linear)
    if eager:
        return _linear, back
    compiled = functools.partial(tf.function, jit_compile=True, autograph=False)
    return compiled(_linear), compiled(back)


def _linear(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    def step(h: Any, current: Any) -> tuple[Any, Any]:
        a_t, b_t = current
        h = a_t * h + b_t
        return h, h

    return _loop(step, first, (a, b), [(b.dtype, b.shape[1:])], reverse)[1][0]


def of_batch(tensor: Any, batch: int) -> Any:
    """The same tensor, of a known batch size; another one fails when it comes.

    Args:
        tensor: `(batch, ...)`, where the batch size may be unknown.
        batch: What it must be.
    """
    return tf.ensure_shape(tensor, [batch, *tensor.shape[1:]])


def scan(step: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
    """Like `keras.ops.scan`, for a step whose output is its carry.

    Args:
        step: Takes the carry and a slice of `xs`, and returns the new carry twice.
        init: The first carry, a structure of tensors.
        xs: A structure of tensors `(time, ...)`.

    Returns:
        The last carry, and the carries of every step, each `(time, ...)`.
    """
    init = tree.map_structure(tf.convert_to_tensor, init)
    kinds = [(value.dtype, value.shape) for value in tree.flatten(init)]
    last, steps = _loop(step, init, xs, kinds)
    return last, tree.pack_sequence_as(init, steps)


def _loop(
    step: Callable[..., Any], carry: Any, xs: Any, kinds: Any, reverse: bool = False
) -> tuple[Any, list[Any]]:
    """Run over time, collecting a list of tensors of the dtypes and shapes in `kinds`."""
    flat = [tf.convert_to_tensor(x) for x in tree.flatten(xs)]
    length = flat[0].shape[0] if flat[0].shape[0] is not None else tf.shape(flat[0])[0]
    sources = [_array(x.dtype, length, x.shape[1:]).unstack(x) for x in flat]

    def body(i: Any, states: Any, targets: Any) -> tuple[Any, Any, Any]:
        t = length - 1 - i if reverse else i
        current = tree.pack_sequence_as(xs, [source.read(t) for source in sources])
        new, kept = step(tree.pack_sequence_as(carry, list(states)), current)
        new = [_shaped(value, old) for value, old in zip(tree.flatten(new), states, strict=True)]
        targets = [
            target.write(t, value)
            for target, value in zip(targets, tree.flatten(kept), strict=True)
        ]
        return i + 1, new, targets

    _, last, targets = tf.while_loop(
        lambda i, *_: i < length,
        body,
        (0, tree.flatten(carry), [_array(dtype, length, shape) for dtype, shape in kinds]),
        maximum_iterations=length,
    )
    return tree.pack_sequence_as(carry, last), [target.stack() for target in targets]


def _array(dtype: Any, length: Any, shape: Any) -> Any:
    return tf.TensorArray(dtype, size=length, element_shape=shape)


def _shaped(value: Any, old: Any) -> Any:
    """The value with the static shape it had a step ago, which the loop insists on."""
    return tf.ensure_shape(value, old.shape)
