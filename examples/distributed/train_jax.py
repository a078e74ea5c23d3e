"""Train on JAX in several processes: `fit`, with the rows of each batch spread over them.

    python examples/distributed/train_jax.py --processes 2

Each process gives `fit` its own rows only. JAX compiles one program for the whole batch, so losses,
masks and metrics are those of one process. Started again, a run that was killed goes on with its
next epoch.
"""

import os
from argparse import Namespace

from _launch import Place, options, place, start

os.environ["KERAS_BACKEND"] = "jax"
if __name__ == "__main__":
    start()  # before the imports, which the process that starts the others does not need

import keras
from _task import batches, build_model, callbacks, save
from jax.experimental import multihost_utils


def train(chosen: Namespace, here: Place) -> None:
    if here.count > 1:
        keras.distribution.initialize(here.address, here.count, here.rank)
        # With auto_shard_dataset=True, `fit` takes a `tf.data.Dataset` only, and cuts it up itself.
        spread = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(spread)
    model = build_model(chosen)
    model.fit(
        batches(chosen, here),
        epochs=chosen.epochs,
        shuffle=False,
        verbose=0,
        callbacks=callbacks(chosen, here, barrier),
    )
    # Saving makes variables. Under a distribution, every process would have to make them.
    keras.distribution.set_distribution(None)
    save(model, chosen, here)


def barrier() -> None:
    multihost_utils.sync_global_devices("keras_rnnkit")


if __name__ == "__main__":
    train(options(), place())
