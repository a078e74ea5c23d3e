"""Train on PyTorch in several processes: a loop through `DistributedDataParallel`.

    python examples/distributed/train_torch.py --processes 2
    torchrun --nproc-per-node 2 examples/distributed/train_torch.py

`fit` would train each process by itself: it calls the model, not the wrapper that averages the
gradients. Started again, a run that was killed goes on with its next epoch.
"""

import os
from argparse import Namespace
from typing import Any

from _launch import Place, options, place, start

os.environ["KERAS_BACKEND"] = "torch"
if __name__ == "__main__":
    start()  # before the imports, which the process that starts the others does not need

import keras
import torch
import torch.distributed as dist
from _task import batches, build_model, callbacks, save
from torch.nn.parallel import DistributedDataParallel


def train(chosen: Namespace, here: Place) -> None:
    model = wrapper = build_model(chosen)
    made_here = here.count > 1 and not dist.is_initialized()  # Ray has made the group before
    if made_here:
        among = {"rank": here.rank, "world_size": here.count}
        dist.init_process_group("gloo", init_method=f"tcp://{here.address}", **among)
    if here.count > 1:
        wrapper = DistributedDataParallel(model)
    rows = batches(chosen, here)
    tasks = callbacks(chosen, here, dist.barrier)
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
            total += train_step(model, wrapper, *rows[step])
            driven.on_train_batch_end(step, {"loss": total / (step + 1)})
        driven.on_epoch_end(epoch, {"loss": total / chosen.steps})
        if model.stop_training:
            break
    driven.on_train_end()
    save(model, chosen, here)
    if made_here:
        # The wrapper goes first: the last to hold the group waits for its threads when it goes,
        # and the wrapper would keep Python's lock while it waits, which the threads need.
        del wrapper
        dist.destroy_process_group()


def train_step(model: keras.Model, wrapper: Any, x: Any, y: Any) -> float:
    """One step; returns the loss of the rows of all processes."""
    model.zero_grad()
    loss = model.compute_loss(x, y, wrapper(x, training=True))
    if not isinstance(y, dict):
        # Keras' loss is the mean over the valid steps of this process; the mean of these means
        # would give steps in a process with few of them more weight than others.
        loss = loss * weight_of(x)
    loss.backward()  # the wrapper averages the gradients over the processes
    variables = model.trainable_variables
    with torch.no_grad():
        model.optimizer.apply([variable.value.grad for variable in variables], variables)
    return float(mean_over_processes(loss.detach()))


def weight_of(words: Any) -> float:
    """The valid steps of this process, divided by the mean of all processes."""
    valid = torch.tensor(float((words != 0).sum()))
    return float(valid / mean_over_processes(valid.clone()))


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    if dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value


if __name__ == "__main__":
    train(options(), place())
