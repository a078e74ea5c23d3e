"""Train on TensorFlow in several processes: a loop through `strategy.run`.

    python examples/distributed/train_tensorflow.py --processes 2

Keras' `fit` refuses the batches of `MultiWorkerMirroredStrategy`; for several GPUs of one machine,
`fit` in the scope of a `MirroredStrategy` works. Started again, a run that was killed goes on with
its next epoch.
"""

import os
from argparse import Namespace
from typing import Any

from _launch import Place, options, place, start

os.environ["KERAS_BACKEND"] = "tensorflow"
if __name__ == "__main__":
    start()  # before the imports, which the process that starts the others does not need

import keras
import tensorflow as tf
from _task import batches, build_model, callbacks, save


def train(chosen: Namespace, here: Place) -> None:
    # It reads TF_CONFIG, and must be the first that uses TensorFlow.
    several = tf.distribute.MultiWorkerMirroredStrategy if here.count > 1 else None
    strategy = several() if several else tf.distribute.get_strategy()
    with strategy.scope():
        model = build_model(chosen)
        model.optimizer.build(model.trainable_variables)
    rows = batches(chosen, here)
    step_of_all = training_step(model, strategy, chosen.task == "tagger")
    tasks = callbacks(chosen, here, lambda: total_over_processes(strategy, tf.constant(1.0)))
    driven = keras.callbacks.CallbackList(
        tasks, model=model, epochs=chosen.epochs, steps=chosen.steps, verbose=0
    )
    driven.on_train_begin()
    for epoch in range(tasks[0].initial_epoch, chosen.epochs):
        driven.on_epoch_begin(epoch)
        rows.set_epoch(epoch)
        total = 0.0
        for step in range(chosen.steps):
            driven.on_train_batch_begin(step)
            total += float(step_of_all(*map(tensors, rows[step])))
            driven.on_train_batch_end(step, {"loss": total / (step + 1)})
        driven.on_epoch_end(epoch, {"loss": total / chosen.steps})
        if model.stop_training:
            break
    driven.on_train_end()
    save(model, chosen, here)


def training_step(model: keras.Model, strategy: tf.distribute.Strategy, masked: bool) -> Any:
    """A compiled step; returns the loss of the rows of all processes."""
    count = strategy.num_replicas_in_sync

    def in_one_process(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            # Keras has divided it by the number of processes: the optimizer adds their gradients.
            loss = model.compute_loss(x, y, model(x, training=True))
            if masked:
                # It is the mean over the valid steps of this process; the mean of these means would
                # give steps in a process with few of them more weight than others.
                valid = tf.reduce_sum(tf.cast(x != 0, loss.dtype))
                replica = tf.distribute.get_replica_context()
                loss *= count * valid / replica.all_reduce(tf.distribute.ReduceOp.SUM, valid)
        variables = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    @tf.function(reduce_retracing=True)
    def in_all(x: Any, y: Any) -> Any:
        return strategy.reduce("SUM", strategy.run(in_one_process, (x, y)), axis=None)

    return in_all


def tensors(arrays: Any) -> Any:
    return tf.nest.map_structure(tf.convert_to_tensor, arrays)


def total_over_processes(strategy: tf.distribute.Strategy, value: tf.Tensor) -> tf.Tensor:
    """The total; it comes when every process has called this, so it is a barrier, too."""
    return strategy.reduce("SUM", strategy.run(lambda: value), axis=None)


if __name__ == "__main__":
    train(options(), place())
