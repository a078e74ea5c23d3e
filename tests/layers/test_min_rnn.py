"""The minimal layers: the linear recurrence against the loop over the cell."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running import rule, run
from keras_rnnkit.running.linear_recurrence import CHUNK, LEVELS, associative_scan
from tests.support.backends import float64_allowed, gradients
from tests.support.cases import MASKS, MIN_CASES, assert_close, built, by_name, to_numpy
from tests.support.oracles import sigmoid

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
PLAIN = [case for case in MIN_CASES if not case.options]

ARGUMENTS = {
    "activation": "relu",
    "use_bias": True,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
    "dropout": 0.25,
    "seed": 3,
}
LAYER_ARGUMENTS = {
    "activity_regularizer": "l2",
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "trainable": False,
    "dtype": "mixed_bfloat16",
    "path": "portable",
}


@pytest.fixture(params=["on a CPU", "on a GPU"])
def device(request, monkeypatch):
    """Both ways of the scan, whatever there is."""
    monkeypatch.setattr(run, "_on_gpu", lambda layer: request.param == "on a GPU")


def step_by_step(a, b, first):
    h, rows = first, []
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        rows.append(h)
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("kind", ["associative", "sequential"])
@pytest.mark.parametrize("time", [1, 2, 3, 4, 7, 63, 64, 65, 300])
def test_the_scan_is_the_recurrence(time, kind):
    scans = {"associative": associative_scan, "sequential": backend_kernels().linear_recurrence}
    assert 2**LEVELS == 64
    rng = np.random.default_rng(time)
    a, b, first = rng.random((2, time, 3)), rng.normal(size=(2, time, 3)), rng.normal(size=(2, 3))
    with float64_allowed():
        tensors = [
            keras.ops.convert_to_tensor(v, dtype="float64")
            for v in (a.swapaxes(0, 1), b.swapaxes(0, 1), first)
        ]
        got = scans[kind](*tensors)
        assert keras.utils.standardize_dtype(got.dtype) == "float64"
        got = to_numpy(got).swapaxes(0, 1)
        np.testing.assert_allclose(got, step_by_step(a, b, first), rtol=1e-12, atol=1e-14)


EXTREME = {
    "shut": lambda rng, shape: np.full(shape, -40.0),  # the first state must survive
    "open": lambda rng, shape: np.full(shape, 40.0),  # nothing of the past is left
    "either": lambda rng, shape: rng.choice([-200.0, 200.0], shape),
    "every kind": lambda rng, shape: rng.choice([-200.0, -5.0, 0.0, 5.0, 200.0], shape),
    "slow": lambda rng, shape: rng.normal(size=shape) - 6,  # a memory of hundreds of steps
}


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_stable_over_5000_steps_of_extreme_gates(case, device):
    """A row of the batch for each kind of gates."""
    rng = np.random.default_rng(0)
    rows, time, units = len(EXTREME), 5000, 2
    # Each input is a gate's own: the kernel is the identity.
    x = np.stack([gates(rng, (time, case.gates * units)) for gates in EXTREME.values()])
    x[..., -units:] = rng.normal(size=(rows, time, units))
    first = rng.normal(size=(rows, units)).astype("float32")
    weights = [np.eye(case.gates * units), np.zeros(case.gates * units)]
    if case.name == "rglru":
        weights.append(np.array([-5.0, 1.0]))  # a slow unit and a fast one
    layer = built(case, weights, case.gates * units, units, return_sequences=True)
    first_gate, second_gate = (sigmoid(x[..., k * units : (k + 1) * units]) for k in (0, 1))
    if case.name == "min_gru":
        a = 1 - first_gate
        written = first_gate
    elif case.name == "min_lstm":
        a = second_gate / (second_gate + first_gate)
        written = 1 - a
    else:
        a = np.exp(-8 * np.log1p(np.exp(weights[2])) * first_gate)
        written = np.sqrt(1 - a**2) * second_gate
    want = step_by_step(a, written * x[..., -units:], first.astype("float64"))
    x = x.astype("float32")
    found = to_numpy(layer(x, initial_state=first))
    for row, name in enumerate(EXTREME):
        np.testing.assert_allclose(found[row], want[row], rtol=2e-3, atol=2e-3, err_msg=name)

    def loss(layer, x):
        return keras.ops.sum(layer(x, initial_state=first)[:, -1])

    assert all(np.isfinite(gradient).all() for gradient in gradients(loss, layer, x))


@pytest.mark.parametrize(
    "mask",
    ["no mask", "holes", pytest.param("an all-padding row", marks=pytest.mark.slow_on("jax"))],
)
@pytest.mark.parametrize("case", MIN_CASES, ids=by_name)
def test_the_scan_and_the_loop_agree_in_training(case, mask, device):
    def loss(layer, x):
        outputs, state, trace = layer(x, mask=MASKS[mask], training=True)
        return keras.ops.sum(outputs**2) + keras.ops.sum(trace.candidate**2) + keras.ops.sum(state)

    options = {"return_sequences": True, "return_state": True, "return_gates": True}
    weights = case.weights(np.random.default_rng(1), 4, 3)
    scan, loop = (
        built(case, weights, 4, 3, path=path, dropout=0.4, seed=3, **options)
        for path in ("fused", "portable")
    )
    for training in (True, False):
        assert_close(
            scan(X, mask=MASKS[mask], training=training),
            loop(X, mask=MASKS[mask], training=training),
        )
    assert_close(gradients(loss, scan, X), gradients(loss, loop, X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_initial_states_are_no_output_before_the_first_valid_step(case):
    first = np.ones((3, 3), "float32")
    weights = case.weights(np.random.default_rng(1), 4, 3)
    scan, loop = (
        built(case, weights, 4, 3, path=path, return_sequences=True, return_state=True)
        for path in ("auto", "portable")
    )
    mask = MASKS["an all-padding row"]
    assert_close(scan(X, mask=mask, initial_state=first), loop(X, mask=mask, initial_state=first))


@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_a_prediction_over_many_chunks_is_that_of_the_loop(case, monkeypatch):
    monkeypatch.setattr(rule, "ASSOCIATIVE_UP_TO", 0)  # chunks for any batch
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3, 3 * CHUNK + 1, 4)).astype("float32")
    first = rng.normal(size=(3, 3)).astype("float32")
    mask = rng.random(x.shape[:2]) < 0.7
    mask[0, : CHUNK + 2], mask[1] = False, False
    for sequences in (True, False):
        scan, loop = (
            case.layer(3, path=path, return_sequences=sequences, return_state=True)
            for path in ("auto", "portable")
        )
        loop.build(x.shape), scan.build(x.shape)
        loop.set_weights(scan.get_weights())
        call = {"mask": mask, "initial_state": first}
        assert_close(scan(x, **call), loop(x, **call))


@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_a_stateful_layer_continues_where_it_ended(case):
    layer = case.layer(3, stateful=True, return_sequences=True)
    first, second = to_numpy(layer(X[:, :2])), to_numpy(layer(X[:, 2:]))
    layer.reset_state()
    plain = case.layer(3, return_sequences=True)
    plain.build(X.shape)
    plain.set_weights(layer.get_weights())
    assert_close(np.concatenate([first, second], axis=1), plain(X))


@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_a_length_that_is_not_known_before(case, device):
    model = keras.Sequential(
        [keras.Input((None, 4)), case.layer(3, return_sequences=True), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse", run_eagerly=False)
    plain = case.layer(3, return_sequences=True, path="portable")
    plain.build(X.shape)
    for time in (5, 70):
        x = np.random.default_rng(time).normal(size=(3, time, 4)).astype("float32")
        model.fit(x, x[..., :1], verbose=0)
        plain.set_weights(model.layers[0].get_weights())
        want = model.layers[1](plain(x))
        assert_close(model.predict(x, verbose=0), want)


@pytest.mark.parametrize("case", MIN_CASES, ids=by_name)
def test_config_and_files(case, tmp_path):
    layer = case.layer(3, **{**ARGUMENTS, **LAYER_ARGUMENTS, **case.options})
    config = layer.get_config()
    assert case.layer.from_config(config).get_config() == config
    assert {*ARGUMENTS, *LAYER_ARGUMENTS} <= set(config)
    cell = case.cell(3, **{**ARGUMENTS, **case.options})
    assert case.cell.from_config(cell.get_config()).get_config() == cell.get_config()
    for kind in (case.layer, case.cell):
        assert keras.saving.get_registered_name(kind) == f"keras_rnnkit>{kind.__name__}"
    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            kit.Bidirectional(case.layer(3, return_sequences=True, **case.options)),
            kit.RNN(case.cell(2, **case.options)),
        ]
    )
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(X), model(X))


@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_the_cell_by_itself(case):
    cell = case.cell(3)
    states = [np.full((3, 3), 0.5, "float32")]
    gates = cell.gates(X[:, 0], states)
    assert isinstance(gates, cell.gates_type)
    assert_close(cell.step(gates, states), cell(X[:, 0], states))
    output, state = cell(X[:, 0], states[0])
    assert tuple(output.shape) == tuple(state.shape) == (3, 3)
    in_keras = keras.layers.RNN(cell, return_sequences=True)
    layer = case.layer(3, return_sequences=True)
    layer.build(X.shape)
    layer.set_weights(cell.get_weights())
    assert_close(in_keras(X), layer(X))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_mixed_precision(case, policy):
    layer = case.layer(3, dtype=policy, return_sequences=True)
    reference = case.layer(3, return_sequences=True)
    output = layer(X, mask=MASKS["holes"])
    reference.build(X.shape)
    reference.set_weights(layer.get_weights())
    assert keras.utils.standardize_dtype(output.dtype) == layer.compute_dtype
    want = to_numpy(reference(X, mask=MASKS["holes"]))
    np.testing.assert_allclose(to_numpy(output).astype("float32"), want, atol=0.05)


def choice(layer):
    return run.choice_for(layer, masked=False, capture_gates=False, training=True).path


@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_the_path_is_chosen_and_explained(case, monkeypatch):
    monkeypatch.setattr(run, "_on_gpu", lambda layer: False)
    (row,) = kit.explain(case.layer(3))
    compiled = {
        "tensorflow": ", compiled where the length is fixed",
        "torch": ", or by an associative scan for a batch size up to 341",
    }.get(keras.config.backend(), "")
    one_by_one = "linear recurrence: all gates in one product, states step by step"
    assert row.training == one_by_one + compiled
    assert choice(case.layer(3)) == choice(case.layer(3, path="fused")) == "linear recurrence"
    assert choice(case.layer(3, activation="relu")) == "linear recurrence"
    assert choice(kit.RNN(case.cell(3))) == "linear recurrence"
    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    assert "as no gate depends on the state" in kit.explain(case.layer(3))[0].training
    assert choice(case.layer(3, path="portable")) == "portable"
    assert choice(case.layer(3, unroll=True)) == "portable"
    with pytest.raises(ValueError, match="unroll=True unrolls the loop"):
        case.layer(3, path="fused", unroll=True)


@pytest.mark.parametrize("case", PLAIN, ids=by_name)
def test_a_misuse_is_explained(case):
    with pytest.raises(ValueError, match=r"positive integer\. Received: units=0$"):
        case.layer(0)
    with pytest.raises(ValueError, match=r"`dropout` .* in \[0, 1\)\. Received: dropout=1$"):
        case.cell(3, dropout=1)
    with pytest.raises(ValueError, match=r"1 tensor\(s\) \(hidden\)"):
        case.cell(3)(X[:, 0], [X[:, 0], X[:, 0]])


@pytest.mark.parametrize(("dtype", "i", "f"), [("bfloat16", 65536, -200), ("float32", 4e9, -100)])
def test_a_huge_gate_with_a_closed_one(dtype, i, f):
    cell = kit.MinLSTMCell(1, kernel_initializer="zeros", dtype=dtype)
    cell.build((1, 1))
    cell.bias.assign(np.array([i, f, 1.0]))
    gates = cell.gates(np.ones((1, 1)), cell.get_initial_state(1))
    found = [to_numpy(keras.ops.cast(gate, "float32")).item() for gate in gates]
    assert found == [1, 0, 1]


def test_the_gradient_of_an_rglru_is_finite_and_exact_where_it_forgets_almost_nothing():
    """Where `a` is near one, `1 - a**2` has few digits left, and its root a steep slope."""

    def loss(layer, x):
        return keras.ops.sum(layer(x))

    def gradient(shift, epsilon=1e-30):
        r = sigmoid(np.array(x[0, 0, 0] + shift, complex) + 1j * epsilon)
        s = np.sqrt(-np.expm1(-16 * np.log1p(np.exp(-7.0)) * r))  # of one step from zero
        return (s * sigmoid(x[0, 0, 1]) * x[0, 0, 2]).imag / epsilon

    x = np.array([[[0.1, 0.2, 0.3]]], "float32")
    for shift in (-2.0, -10.0, -20.0, -60.0, -200.0):
        layer = kit.RGLRU(1)
        layer.build(x.shape)
        layer.set_weights([np.eye(3), np.array([shift, 0.0, 0.0]), np.array([-7.0])])
        of_bias = next(g for g in gradients(loss, layer, x) if g.shape == (3,))
        assert np.isfinite(of_bias).all()
        np.testing.assert_allclose(of_bias[0], gradient(shift), rtol=1e-4, atol=1e-16)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_an_rglru_remembers_in_half_precision(dtype):
    """A factor of 0.9999 is 1 in half precision, and a state that is rounded does not fall."""
    layers = [kit.RGLRU(2, dtype=each, return_gates=True) for each in (dtype, "float32")]
    x = np.zeros((1, 2000, 3), "float32")
    outputs = []
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights([np.zeros((3, 6)), np.zeros(6), np.array([-10.5, -10.0])])
        output, trace = layer(x, initial_state=np.ones((1, 2), "float32"))
        assert output.dtype == trace.forget.dtype == trace.hidden.dtype
        outputs.append(to_numpy(keras.ops.cast(output, "float32")))
    assert 0.6 < outputs[1].min() < outputs[1].max() < 0.81
    np.testing.assert_allclose(*outputs, rtol=1e-2)
