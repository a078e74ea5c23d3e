"""Tapes on TensorFlow: two of them, a persistent one, nested ones; on every kernel."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import MIN_CASES, NAMESAKES, assert_close, by_name

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's tapes", allow_module_level=True)

import tensorflow as tf

from keras_rnnkit.kernels import _tensorflow_compiling

# A tape asks twice on purpose, and a function of TensorFlow 1 cuts out what nothing needs.
EXPECTED = pytest.mark.logs("persistent tape inside its context", "extract_sub_graph")
pytestmark = [pytest.mark.xla, EXPECTED]

CASES = [*NAMESAKES, *(case for case in MIN_CASES if not case.options)]
FEATURES, UNITS = 3, 4
X = np.random.default_rng(5).normal(size=(2, 6, FEATURES)).astype("float32")
MASK = np.array([[1, 1, 0, 1, 1, 0], [0, 1, 1, 1, 1, 1]], bool)


def layers(case, **options):
    """The same layer on the path that is chosen, and on the portable one."""
    for path in ("auto", "portable"):
        layer = case.layer(UNITS, path=path, return_sequences=True, **case.options, **options)
        layer.build(X.shape)
        layer.set_weights([w / 2 for w in case.weights(np.random.default_rng(1), FEATURES, UNITS)])
        yield layer


def called(layer, x, training=True):
    return layer(x, mask=tf.constant(MASK), training=training)


def losses(outputs):
    return tf.reduce_sum(outputs[:, -1] ** 2), tf.reduce_sum(tf.sin(outputs))


def sources(layer, x):
    return [x, *(weight.value for weight in layer.trainable_weights)]


def two_tapes(layer, x, training):
    with tf.GradientTape() as first, tf.GradientTape() as second:
        first.watch(x)
        second.watch(x)
        one, two = losses(called(layer, x, training))
    return [first.gradient(one, sources(layer, x)), second.gradient(two, sources(layer, x))]


def persistent_tape(layer, x, training):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        both = losses(called(layer, x, training))
    return [tape.gradient(loss, sources(layer, x)) for loss in both]


def inside_a_persistent_tape(layer, x, training):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        one, two = losses(called(layer, x, training))
        return [tape.gradient(loss, sources(layer, x)) for loss in (one, two)]


def gradient_penalty(layer, x, training):
    """As a critic is trained: the gradient of a function of the gradient by the inputs."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss, _ = losses(called(layer, x, training))
        penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
    return outer.gradient(penalty, sources(layer, x), unconnected_gradients="zero")


def by_the_weights_twice(layer, x, training):
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            _, loss = losses(called(layer, x, training))
        found = inner.gradient(loss, sources(layer, x)[1:])
        squares = tf.add_n([tf.reduce_sum(gradient**2) for gradient in found])
    return outer.gradient(squares, sources(layer, x)[1:])


def in_a_branch(layer, x, training):
    with tf.GradientTape() as tape:
        tape.watch(x)
        positive = tf.reduce_sum(x) > -1e9
        outputs = tf.cond(
            positive, lambda: called(layer, x, training), lambda: 2 * called(layer, -x, training)
        )
        _, loss = losses(outputs)
    return tape.gradient(loss, sources(layer, x))


def in_a_loop(layer, x, training):
    with tf.GradientTape() as tape:
        tape.watch(x)

        def body(i, outputs):
            return i + 1, outputs + called(layer, x * tf.cast(i + 1, x.dtype), training)

        zeros = tf.zeros([*x.shape[:2], UNITS])
        _, outputs = tf.while_loop(lambda i, _: i < 2, body, [0, zeros])
        _, loss = losses(outputs)
    return tape.gradient(loss, sources(layer, x))


ONCE = [two_tapes, persistent_tape, inside_a_persistent_tape]
TWICE = [gradient_penalty, by_the_weights_twice]


def assert_portable_gradients(case, take, run, training):
    """The portable ones are taken eagerly, as a graph of its loop takes seconds to build."""
    x, (chosen, portable) = tf.constant(X), layers(case)
    got, want = run(take)(chosen, x, training), take(portable, x, training)
    assert_close(got, want, rtol=2e-4, atol=2e-5)


SEVERAL = [(case, two_tapes) for case in CASES]
SEVERAL += [(case, take) for case in (CASES[0], CASES[-1]) for take in ONCE[1:]]


@pytest.mark.parametrize(
    ("case", "take"), SEVERAL, ids=lambda of: getattr(of, "name", None) or of.__name__
)
def test_several_gradients_of_one_pass(case, take):
    assert_portable_gradients(case, take, tf.function, training=take is not persistent_tape)


@pytest.mark.parametrize("take", [in_a_branch, in_a_loop], ids=["branch", "loop"])
@pytest.mark.parametrize("case", [NAMESAKES[0], CASES[-1]], ids=by_name)
def test_gradients_through_control_flow(case, take):
    assert_portable_gradients(case, take, tf.function, training=True)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_a_gradient_penalty(case):
    assert_portable_gradients(case, gradient_penalty, tf.function, training=True)


@pytest.mark.parametrize("case", [NAMESAKES[-1], CASES[-1]], ids=by_name)
def test_second_derivatives_by_the_weights(case):
    assert_portable_gradients(case, by_the_weights_twice, tf.function, training=False)


@pytest.mark.parametrize("take", ONCE + TWICE, ids=lambda function: function.__name__)
@pytest.mark.parametrize("case", [NAMESAKES[-1], CASES[-1]], ids=by_name)
def test_eager_tapes(case, take):
    assert_portable_gradients(case, take, lambda take: take, training=True)


def of_any_length(take):
    """The same gradients by a graph that is uncompiled at first, then compiled."""

    def run(layer, x, training):
        graph = tf.function(
            lambda x: take(layer, x, training), input_signature=[tf.TensorSpec([2, None, FEATURES])]
        )
        before, _, after = graph(x), graph(x), graph(x)
        assert_close(before, after, rtol=2e-4, atol=2e-5)
        return after

    return run


@pytest.mark.parametrize("take", ONCE + TWICE, ids=lambda function: function.__name__)
def test_gradients_while_a_length_comes_often(take, monkeypatch):
    monkeypatch.setattr(_tensorflow_compiling, "OFTEN", 2)
    training = take is not persistent_tape
    assert_portable_gradients(NAMESAKES[-1], take, of_any_length, training)


@pytest.mark.parametrize("training", [True, False], ids=["training", "prediction"])
@pytest.mark.parametrize(
    ("case", "time"), [(NAMESAKES[0], 6), (NAMESAKES[0], None), (CASES[-1], 6)]
)
def test_a_tape_around_a_graph(case, training, time, monkeypatch):
    monkeypatch.setattr(_tensorflow_compiling, "OFTEN", 2)
    options = {"input_signature": [tf.TensorSpec([2, time, FEATURES])]}
    x, found, (chosen, portable) = tf.constant(X), [], layers(case)
    graph = tf.function(lambda x: called(chosen, x, training), **options)
    calls = [(chosen, graph)] * (1 if time else 2)  # the second time it is compiled
    for layer, call in (*calls, (portable, lambda x: called(portable, x, training))):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            both = losses(call(x))
        found.append([tape.gradient(loss, sources(layer, x)) for loss in both])
    for got in found[:-1]:
        assert_close(got, found[-1], rtol=2e-4, atol=2e-5)


def test_second_derivatives_of_a_compiled_graph():
    def compiled(take):
        return tf.function(take, jit_compile=True)

    assert_portable_gradients(CASES[3], gradient_penalty, compiled, training=True)


def test_forward_mode_names_the_path_that_has_it():
    layer, x = next(layers(NAMESAKES[0])), tf.constant(X)
    with (
        pytest.raises(NotImplementedError, match='path="portable"'),
        tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)),
    ):
        called(layer, x)


def test_a_first_layer_has_no_product_for_its_inputs():
    """Nobody asks for that gradient, so it is not computed."""

    def step(layer, x, watched):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            loss, _ = losses(called(layer, x))
        return tape.gradient(loss, sources(layer, x)[1:] + watched)

    layer = next(layers(NAMESAKES[0]))
    x = tf.constant(X)
    counts = []
    for watched in ([], [x]):
        graph = tf.function(lambda x, w=watched: step(layer, x, [x] * len(w)))
        kept = tf.compat.v1.graph_util.extract_sub_graph(
            (concrete := graph.get_concrete_function(x)).graph.as_graph_def(),
            [tensor.op.name for tensor in concrete.outputs],
        )
        counts.append(sum(node.op in ("MatMul", "BatchMatMulV2") for node in kept.node))
    assert counts[0] < counts[1]


def test_masks_and_resets_are_not_watched(monkeypatch):
    """TensorFlow would log a warning."""
    layer, watched, watch = kit.MinGRU(4), [], tf.GradientTape.watch

    def spy(tape, tensors):
        watched.extend(keras.tree.flatten(tensors))
        watch(tape, tensors)

    monkeypatch.setattr(tf.GradientTape, "watch", spy)

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, mask=tf.constant(MASK), resets=tf.constant(~MASK), training=False)
        return tape.gradient(y, x)

    assert np.any(gradient(tf.constant(X)))
    assert len(watched) > 1 and all(tensor.dtype.is_floating for tensor in watched)


def test_a_gan_step():
    """Generator and critic, each with its own tape around one pass of both."""
    maker = keras.Sequential([keras.Input((6, 2)), kit.GRU(3, return_sequences=True)])
    critic = keras.Sequential([keras.Input((6, 3)), kit.LSTM(4), keras.layers.Dense(1)])

    @tf.function
    def step(noise, real):
        with tf.GradientTape() as of_maker, tf.GradientTape() as of_critic:
            false, true = critic(maker(noise, training=True)), critic(real)
            maker_loss = -tf.reduce_mean(false)
            critic_loss = tf.reduce_mean(false) - tf.reduce_mean(true)
        return (
            of_maker.gradient(maker_loss, [v.value for v in maker.trainable_variables]),
            of_critic.gradient(critic_loss, [v.value for v in critic.trainable_variables]),
        )

    found = step(tf.constant(X[..., :2]), tf.constant(X))
    assert all(float(tf.reduce_max(tf.abs(g))) > 0 for g in keras.tree.flatten(found)[:-1])
