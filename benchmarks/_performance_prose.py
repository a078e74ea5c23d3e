"""The text of the performance page."""

INTRODUCTION = """\
# Performance

**{line}**

![Speed relative to keras.layers: a dot for each case, in training and in prediction, and the \
median, on each backend](../assets/performance/speed.svg)

Each dot is a row of the tables below. A row compares two models that differ only in their
recurrent layers: one has those of keras-rnnkit, the other those of `keras.layers`. This page is
generated from the files in `benchmarks/results`.

## How it was measured

- A model is one recurrent layer (or the layers that the row names) and a `Dense`, compiled with
  Keras' defaults, on random float sequences. Both models have the same weights. Before
  the timing, their predictions are compared.
- The two models take turns in one process. "Step" means a training step or the prediction of one
  batch. Its time is the mean over the steps of one epoch of `fit`, or of one call of `predict`; the
  first step is left out. Compilation and the creation of the data set are not included.
- A ratio is the time of `keras.layers` divided by the time of keras-rnnkit in the same round:
  above 1, keras-rnnkit is faster. The tables show the median of the rounds, ± half the
  interquartile range.
- Shapes are (batch, time, features, units). "Chapter" has the 16 features and 8 units of
  [A textbook chapter](../tutorials/chapter.md); 128 and 512 are numbers of units.
- In "masked post" the padding is at the end of each sequence, in "masked pre" at the start. The
  number of valid steps of a sequence is random, from 1 to all. Dropout has the rate 0.3 and is off
  in prediction.
- The GEMM floor is the time that the matrix products alone would take at the processor's peak
  rate, which is measured with NumPy on large square float32 matrices. The floor of training is
  three times that of the forward pass, because each product has two more products in the backward
  pass. Padded steps and dropped values are counted too. A time below the floor is possible: a first
  layer needs no gradient of its inputs, and some backends multiply faster than NumPy.
- Not all backends were measured on the same processor: see the table. Compare times within one
  backend only.
- After `fit` or `predict`, TensorFlow can take as long to shut down its data pipeline as for all
  steps together, with both packages (see
  [Choose a backend](../how-to/backend.md#what-else-makes-it-faster)). The tables do not include
  this time.
- Memory, stacks and streams were measured separately, on the processors named in those sections.
  All results but those of the last section are from CPUs. A dash or a missing row means that the
  case was not measured.
- [Methods of the kernels](methods.md) compares the ways in which the kit's kernels can group the
  matrix products of a layer.
"""

COMMANDS = """\
```sh
python benchmarks/layers.py --backend ...
python benchmarks/memory.py --backend ...
python benchmarks/layers.py --backend ... --keep-memory \\
    --shapes 128,512 --variants plain,masked_post
python benchmarks/roofline.py
python benchmarks/prediction.py --backend ...   # needs onnx and onnxruntime
python benchmarks/streaming.py --backend ...
python benchmarks/stack.py --backend ...
python benchmarks/tracing.py --backend ...
python benchmarks/gate_monitor.py --backend ... --data imdb.npz
python benchmarks/performance_page.py
```
"""

RATIOS = "Speed relative to `keras.layers`, training / prediction."
TORCH_RATIOS = "Speed relative to `torch.nn`, training / prediction."
MILLISECONDS = """\
Milliseconds of one step of the plain layers; in brackets, this time divided by the GEMM floor."""
SLOWER = "### Slower than keras.layers here\n\nCases with a ratio below {limit}."

PROCESSORS = """\
## Other processors

All measured cases on each processor: the median speed relative to `keras.layers`, and in brackets
the lowest, for training / prediction. The tables above show one processor for each backend, the one
with the most rows.
"""

PREDICTION = """\
## Prediction compared with onnxruntime

The milliseconds for one batch, from a NumPy array to a NumPy array, for four ways to run a model:
`predict` on several batches, `predict_on_batch`, a call `model(x)`, and "function": the model as
one function of the backend (compiled by `jax.jit` or `tf.function`, or without gradients on
PyTorch), without the Python of Keras' `predict`. Each way was timed in turns with onnxruntime,
which runs the same weights in one LSTM or GRU node, in one process. In brackets: the time divided
by the time of onnxruntime in the same turns. The column "onnxruntime" shows the shortest of its
times. {one_row}{where}
"""

REASONS = """\

Where "function" takes about as long as `predict_on_batch`, the time is that of the backend's
program and not that of Keras' Python. Each step of its loop over time has a fixed cost, which
counts in narrow layers and for single rows; onnxruntime runs the whole loop in one kernel, with
weights that it packs once. {torch_nn}Outside of compiled functions, `model(x)` runs operation by
operation on TensorFlow, and on PyTorch it keeps what a backward pass would need.
"""

TORCH_NN = """\
For one row on PyTorch, `torch.nn` in place of the kit's layers takes {times} times as long as
onnxruntime ({layers}). """

ONE_ROW = '"One row" is a batch of one sequence, {shape}. '

STREAMING = """\
## Streams

Median microseconds for one sequence. "A step": a call of the stream's `step`. "A step, ten at a
time": a call of its `chunk` with ten steps, divided by ten. "The whole model": a call of
`predict_on_batch` with all {steps} steps; without a stream, each new step needs such a call. Each
model is a `StackedRNN` and a `Dense`. {where}
"""

TRACING = """\
## Traces

The time of `kit.trace` on 1,000 sequences, divided by that of `predict` with the same model: median
and range. The model is an `Embedding`, an LSTM of {units} units, and a `Dense`; sequences have
{steps} steps. "Memory": by how much the process grows while `kit.trace_batches` computes statistics
over 25,000 sequences. "Seconds": how long this takes.
"""

MONITOR = """\
`kit.callbacks.GateMonitor` at its default of 512 reviews, in an epoch of the textbook chapter's
LSTM on 20,000 real reviews of {steps} words. It adds to an epoch, as median and range of
{rounds} rounds:
"""

STACKS = """\
## Stacks

The time of two separate layers, divided by the time of the same two layers in a `StackedRNN`. Above
1, the `StackedRNN` is faster. Batches of 64, 100 steps of 16 features; medians for whole calls of
`fit` and `predict`. {where}
"""

KEPT = """\
## With freed memory kept

By default, glibc returns large freed blocks to the operating system. The next step then gets new
blocks, which the system has to clear page by page. These environment variables keep freed memory
in the process, for both packages:

```sh
{variables}
```

Speed relative to `keras.layers` with these variables, training / prediction. In brackets: the speed
of keras-rnnkit with the variables, relative to its speed without them, where both were measured on
the same machine.
"""

MEMORY = """\
Peak memory in MiB, keras-rnnkit / `keras.layers`, each in its own process: the memory that a
training step needs on top of what the process holds between two steps. In brackets: the memory that
the whole training needs in addition to model and data, including code that libraries load or
compile once. {where}"""

WITHOUT_ONEDNN = """\
TensorFlow ran without oneDNN here (`TF_ENABLE_ONEDNN_OPTS=0`). TensorFlow uses oneDNN by default on
some processors, and its allocator does not return memory."""

PLANNED = """\
A training step on JAX reuses the memory of the step before. The value is therefore the memory that
XLA reserves for temporary results, without arguments and results."""

GPU = """\
## On a GPU

The first rows of `python benchmarks/gpu.py`, with the shapes above: the time of a step with
keras-rnnkit, and the time of the other libraries divided by it, as median and range of three
rounds. Above 1, keras-rnnkit is faster. With gates, the others are layers without gates. The ranges
are wide: in steps this short, much of the time is the host's, which prepares the calls. On PyTorch,
all three libraries call cuDNN for the layers without gates.
"""
