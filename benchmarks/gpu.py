"""Runs the tests on a GPU, then times the kit there beside `keras.layers` and `torch.nn`.

    python benchmarks/gpu.py                  # on a machine with a GPU, at most 8 minutes
    python benchmarks/gpu.py --tiny           # a few small rows on any machine, in seconds

PyTorch and JAX, each where it is installed and finds a GPU. First the tests of paths, masks,
oracles, streams, resets and `recompute`, in several processes where pytest-xdist is installed. Then
LSTM and GRU, plain, with gates, masked, bidirectional and with `recurrent_dropout`, and `MinGRU` on
long sequences, each in training and in prediction. A printed ratio is the time of the other library
by the kit's: above 1, the kit is faster. With gates, the others are layers without gates; `MinGRU`
is compared with GRU layers.

Every part is a process with a time limit, and every row is saved as it is measured, in
`benchmarks/results/`, in a folder of the GPU: a part that fails or takes too long costs only what
is left of it.

On a machine without network, bring what is missing there. With PyTorch and JAX installed, that is:

    python -m pip download --no-deps -d wheels keras optree namex ml_dtypes h5py absl-py rich \
        markdown-it-py mdurl pygments packaging scikit-learn joblib threadpoolctl scipy numpy \
        pytest pluggy iniconfig sybil hypothesis sortedcontainers

Copy the source tree and `wheels` there, and then, in the source tree:

    python -m pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=.:site python benchmarks/gpu.py --out results

Try `--tiny` on a CPU first, with the same `PYTHONPATH`.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from _results import RESULTS

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    "tests/layers/test_torch_native_gates.py",
    "tests/layers/test_torch_pair.py",
    "tests/layers/test_paths.py",
    "tests/layers/test_path_methods.py",
    "tests/layers/test_paths_on_gpu.py",
    "tests/cells/test_masks.py",
    "tests/layers/test_oracles.py",
    "tests/layers/test_stream.py",
    "tests/layers/test_resets.py",
    "tests/layers/test_resets_in_layers.py",
    "tests/layers/test_torch_resets.py",
    "tests/layers/test_recompute.py",
    "tests/layers/test_torch_recompute.py",
)
TINY_TESTS = ("tests/test_public_names.py",)
# In the tests, products of float32 are not rounded to TF32, which their tolerances do not allow.
EXACT = {"NVIDIA_TF32_OVERRIDE": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
BACKENDS = ("torch", "jax")
# Seconds of the parts of a backend; two backends take 8 minutes at most.
LIMITS = {"look for a GPU": 15, "tests": 135, "rows": 90}
MOST_WORKERS = 12  # processes of tests, which share the GPU
ENDING = 5  # seconds for a part to end by itself, when its limit is reached

# Each prints "device: " and the name of the GPU, or nothing behind it.
DEVICE = {
    "torch": (
        "import torch; name = torch.cuda.get_device_name() if torch.cuda.is_available() else ''; "
        "print('device:', name)"
    ),
    "jax": (
        "import jax; device = jax.devices()[0]; "
        "print('device:', device.device_kind if device.platform == 'gpu' else '')"
    ),
}


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small rows, also without a GPU")
    parser.add_argument("--backends", default=",".join(BACKENDS), metavar="A,B")
    parser.add_argument("--out", type=Path, default=RESULTS, help="a folder; benchmarks/results")
    parser.add_argument("--rows", choices=BACKENDS, help=argparse.SUPPRESS)  # in the process itself
    parser.add_argument("--seconds", type=float, default=30.0, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(
    command: list[str], backend: str, seconds: float, **settings: str
) -> tuple[int | None, str]:
    """The exit code of a command, `None` where it was stopped at the limit, and its output."""
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))
    environment = {
        **os.environ,
        **settings,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # a GPU is shared with what ran before
    }
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        return None, output
    return process.returncode, output


def device_of(backend: str) -> str:
    """The name of the GPU that a backend finds; empty where it finds none, or is not installed."""
    command = [sys.executable, "-c", DEVICE[backend]]
    _, output = run(command, backend, LIMITS["look for a GPU"])
    found = re.search("^device: *(.*)$", output, re.MULTILINE)
    return found[1].strip() if found else ""


def test(backend: str, files: tuple[str, ...]) -> str:
    """Run tests on a backend, and return what pytest says at the end."""
    options = ["-q", "-p", "no:cacheprovider", "--tb=short", "--no-header"]
    # What newer versions of the libraries there deprecate does not hide what is wrong on a GPU.
    options += ["-W", "default"]
    if find_spec("xdist"):
        workers = min(len(os.sched_getaffinity(0)), len(files), MOST_WORKERS)
        options += ["-n", str(workers), "--dist", "worksteal"]
    command = [sys.executable, "-m", "pytest", *options, *files]
    code, output = run(command, backend, LIMITS["tests"], **EXACT)
    if code != 0:
        print(output[-20_000:])
    return "stopped at the limit" if code is None else output.strip().splitlines()[-1]


def results_file(folder: Path, device: str, backend: str) -> Path:
    """Where the rows of a device and a backend are stored."""
    slug = "-".join(re.findall(r"[a-z0-9]+", device.lower())) or "cpu"
    return folder / slug / f"gpu_{backend}.json"


def rows(backend: str, device: str, arguments: argparse.Namespace) -> None:
    """Measure the rows of a backend in a process of its own."""
    path = results_file(arguments.out, device, backend)
    seconds = LIMITS["rows"]
    command = [sys.executable, str(Path(__file__).resolve()), "--rows", backend]
    command += ["--seconds", str(seconds - 3 * ENDING), "--out", str(path.resolve())]
    code, output = run(command + ["--tiny"] * arguments.tiny, backend, seconds)
    print(output, end="")
    if code != 0:
        print(f"{backend}: stopped at the limit" if code is None else f"{backend}: failed ({code})")
    print(f"{backend}: rows in {path}", flush=True)


def main() -> int:
    """Go through the parts; the exit code tells whether there was a device to measure."""
    arguments = parse()
    if arguments.rows:
        # It imports Keras, which looks at KERAS_BACKEND when it is imported.
        from _gpu_rows import measure_rows

        measure_rows(arguments.rows, arguments.out, arguments.tiny, arguments.seconds)
        return 0
    start, measured = time.monotonic(), 0
    for backend in arguments.backends.split(","):
        device = device_of(backend)
        if not device and not arguments.tiny:
            print(f"{backend}: finds no GPU, or is not installed")
            continue
        print(f"{backend}: {device or 'no GPU'}", flush=True)
        print(f"{backend}: tests: {test(backend, TINY_TESTS if arguments.tiny else TESTS)}")
        rows(backend, device, arguments)
        measured += 1
    print(f"{time.monotonic() - start:.0f} seconds")
    return 0 if measured else 1


if __name__ == "__main__":
    sys.exit(main())
