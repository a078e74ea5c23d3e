"""Trains on two devices of this process, and writes what they exchange in a step into a file.

    python -m tests.layers.data_parallel OUT KIND

The file gets the collectives of a step as `[in a loop, kind, bytes]`, the bytes of the gradients,
and the largest difference of a gradient from that on one device.
"""

import json
import math
import os
import re
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import keras
import numpy as np
from keras import ops

import keras_rnnkit as kit
from keras_rnnkit.kernels import jax as kernels

UNITS, ROWS, LENGTH, FEATURES = 32, 4, 48, 3
BYTES = {"f32": 4, "s32": 4, "u32": 4, "pred": 1}


def layers(kind):
    """Layers that loop over their cell, or one for each kernel and method."""
    if kind == "loops":
        return [keras.layers.LSTM(UNITS), kit.LSTM(UNITS, path="portable")]
    return [
        kit.LSTM(UNITS, return_gates=True),
        kit.Bidirectional(kit.LSTM(8)),
        kit.StackedRNN([UNITS, UNITS], cell="gru"),
        kit.GRU(UNITS, reset_after=False, recurrent_dropout=0.1),
        kit.LearnedInitialState(kit.SimpleRNN(UNITS)),
        kit.MinGRU(UNITS),
        kit.MinLSTM(UNITS, return_sequences=True),
    ]


def build_model(kind):
    keras.utils.set_random_seed(1)
    x = keras.Input((LENGTH, FEATURES))
    masked = keras.layers.Masking()(x)
    tensors = keras.tree.flatten([layer(masked) for layer in layers(kind)])
    outputs = [tensor for tensor in tensors if tensor.dtype != "bool"]  # not the mask of a trace
    return keras.Model(x, outputs)


def step_of(model):
    """The loss and the gradients of the trainable variables, and what to call it with."""
    variables = (
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
    )

    def loss(trainable, others, x):
        outputs, _ = model.stateless_call(trainable, others, x, training=True)
        return sum(ops.mean(ops.square(output)) for output in outputs)

    return jax.value_and_grad(loss), variables


def collectives(text):
    """Those of a compiled program."""
    found, computation = [], ""
    loops = set(re.findall(r"(?:body|condition)=%([\w.-]+)", text))
    kinds = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"
    for line in text.splitlines():
        if line.endswith("{") and (name := re.match(r"(?:ENTRY )?%([\w.-]+) ", line)):
            computation = name[1]
        if operation := re.search(rf"= (.*?) ({kinds})(?:-start)?\(", line):
            shapes = re.findall(r"(\w+)\[([\d,]*)\]", operation[1])
            sizes = [BYTES[t] * math.prod(int(n) for n in s.split(",") if n) for t, s in shapes]
            found.append([computation in loops, operation[2], sum(sizes)])
    return found


def main(out, kind):
    kernels.CHUNK_ABOVE_BYTES, kernels.CHUNK_ROWS = 0, 1  # on one device, chunks of steps
    x = np.random.default_rng(0).normal(size=(ROWS, LENGTH, FEATURES)).astype("float32")
    x[1, 5:] = x[2, :] = 0
    step, variables = step_of(build_model(kind))
    _, on_one = jax.jit(step)(*variables, x)

    distribution = keras.distribution.DataParallel()
    keras.distribution.set_distribution(distribution)
    step, variables = step_of(build_model(kind))  # the same weights, on both devices
    mesh = distribution.device_mesh.backend_mesh
    spread, whole = (
        jax.NamedSharding(mesh, jax.P(*axes)) for axes in [distribution.device_mesh.axis_names, []]
    )
    x = jax.device_put(x, spread)
    compiled = jax.jit(step, out_shardings=whole).lower(*variables, x).compile()
    _, on_two = compiled(*variables, x)
    pairs = zip(on_one, on_two, strict=True)
    result = {
        "collectives": collectives(compiled.as_text()),
        "gradients": sum(gradient.nbytes for gradient in on_two),
        "difference": max(float(abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs),
    }
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
