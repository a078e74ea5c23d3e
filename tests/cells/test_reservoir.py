"""The reservoir of an `ESNCell` in models that are built by their first call."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close, to_numpy

X = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")


def cell(**options):
    initializers = {f"{k}_initializer": keras.initializers.GlorotUniform(i) for i, k in
                    enumerate(("kernel", "recurrent"))}  # fmt: skip
    return kit.ESNCell(6, seed=4, connectivity=0.5, dropout=0.5, **initializers, **options)


class Model(keras.Model):
    def __init__(self, **options):
        super().__init__()
        self.inner, self.head = kit.RNN(cell(**options)), keras.layers.Dense(1)

    def call(self, x, training=False):
        return self.head(self.inner(x, training=training))


MODELS = {
    "subclass": Model,
    "sequential": lambda **how: keras.Sequential([kit.RNN(cell(**how)), keras.layers.Dense(1)]),
    "stack": lambda **how: keras.Sequential(
        [kit.RNN([kit.GRUCell(3), kit.Zoneout(cell(**how))]), keras.layers.Dense(1)]
    ),
}


def built_at_once(name, **options):
    """The same reservoir, from a layer that is built by itself."""
    layer = kit.RNN(cell(**options))
    layer.build((None, 5, 3))
    return layer.cell


@pytest.mark.parametrize("norm", [False, True], ids=["radius", "norm"])
@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_same_in_a_model_that_fit_builds(name, norm):
    model = MODELS[name](use_norm2=norm)
    model.compile("sgd", "mse")
    model.fit(X, X[:, 0, :1], verbose=0)
    layer = model.layers[0] if name != "subclass" else model.inner
    found = layer.cell.cells[1].cell if name == "stack" else layer.cell
    want = built_at_once(name, use_norm2=norm)
    got = to_numpy(found.recurrent_kernel)
    assert_close(got, want.recurrent_kernel)
    size = np.linalg.norm(got) if norm else np.abs(np.linalg.eigvals(got)).max()
    np.testing.assert_allclose(size, 0.9, rtol=1e-5)
    assert 0 < (got == 0).mean() < 1


def test_building_in_fit_leaves_the_masks_of_dropout_as_they_are():
    late, early = Model(), Model()
    early.inner.build((None, 5, 3))
    for model in (late, early):
        model.compile(keras.optimizers.SGD(0.0), "mse")
        model.fit(X, X[:, 0, :1], verbose=0)
    assert_close(*(to_numpy(m.inner.cell.seed_generator.state) for m in (late, early)))
