"""Starts the processes of a run on this machine, and ends all of them when one of them dies.

The processes learn who they are from the variables that torchrun sets, too: `RANK`, `WORLD_SIZE`,
`MASTER_ADDR` and `MASTER_PORT`; and, for TensorFlow, from `TF_CONFIG`. The process that starts
them imports no backend.
"""

import argparse
import faulthandler
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

GRACE = 5.0  # seconds between the request to end and the kill
PLACE = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
CHILD = "KERAS_RNNKIT_CHILD"  # set for a process that this file has started
STACKS_AFTER = "KERAS_RNNKIT_STACKS_AFTER"  # seconds after which a process says where it is


class Place(NamedTuple):
    """The place of this process among all."""

    rank: int
    count: int
    address: str


def start() -> None:
    """In the process that the user starts: start the others, and end with them.

    It returns in a process that another one has started, and where one process is enough.
    """
    chosen = options()
    if "RANK" not in os.environ and chosen.processes > 1:
        sys.exit(launch(chosen.processes))


def place() -> Place:
    """The place of this process; alone, unless the program that started it says otherwise."""
    if "RANK" not in os.environ:
        return Place(0, 1, "")
    if STACKS_AFTER in os.environ:
        faulthandler.dump_traceback_later(float(os.environ[STACKS_AFTER]))
    if CHILD in os.environ:
        threading.Thread(target=_end_with_the_parent, daemon=True).start()
    missing = [name for name in PLACE if name not in os.environ]
    if missing:
        sys.exit(
            f"Set {', '.join(PLACE)} in each process, as torchrun does, or none of them. "
            f"Missing: {', '.join(missing)}"
        )
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    return Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), f"{host}:{port}")


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The arguments of the three programs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--task", choices=("classifier", "tagger"), default="classifier")
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5, help="steps of an epoch")
    parser.add_argument("--rows", type=int, default=32, help="rows of a step, of all processes")
    parser.add_argument("--length", type=int, default=24, help="steps of a sequence")
    parser.add_argument("--folder", type=Path, default=Path("run"), help="for the checkpoint")
    parser.add_argument("--model", type=Path, help="a .keras file for the trained model")
    parser.add_argument("--losses", type=Path, help="a JSON file for the loss after each step")
    return parser.parse_args(arguments)


def launch(count: int) -> int:
    """Run this script in `count` processes with the same arguments.

    Returns:
        0, or 1 if a process has failed; a line on the standard error names it.
    """
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    processes = [_start(rank, addresses) for rank in range(count)]
    ended: queue.Queue[int] = queue.Queue()  # in the order in which they end
    for rank, process in enumerate(processes):
        threading.Thread(target=_wait, args=(process, rank, ended), daemon=True).start()
    try:
        for _ in processes:
            rank = ended.get()
            code = processes[rank].returncode
            if code:
                _say(f"Process {rank} of {count} (pid {processes[rank].pid}) {_how(code)}.")
                return 1
        return 0
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 1
    finally:
        _end(processes)


def _wait(process: subprocess.Popen, rank: int, ended: queue.Queue[int]) -> None:
    process.wait()
    ended.put(rank)


def _start(rank: int, addresses: list[str]) -> subprocess.Popen:
    host, _, port = addresses[0].partition(":")
    task = {"type": "worker", "index": rank}
    variables = {
        "RANK": str(rank),
        "WORLD_SIZE": str(len(addresses)),
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
        CHILD: "1",
    }
    # A session of its own: Ctrl-C reaches this process only, which then ends the others.
    return subprocess.Popen(
        [sys.executable, *sys.argv],
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _end(processes: list[subprocess.Popen]) -> None:
    """Ask the processes to end, and kill those that do not."""
    alive = [process for process in processes if process.poll() is None]
    if alive:
        _say(f"Ending the other processes: {', '.join(str(one.pid) for one in alive)}.")
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in alive:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _how(code: int) -> str:
    if code < 0:
        names = {one.value: one.name for one in signal.Signals}  # most real-time signals have none
        return f"was ended by {names.get(-code, f'signal {-code}')}"
    return f"failed with exit status {code}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _free_ports(count: int) -> list[int]:
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in with_ports]
    for one in with_ports:
        one.close()
    return ports


def _end_with_the_parent() -> None:
    """The pipe from the parent closes when the parent dies, even by SIGKILL."""
    while os.read(0, 1):
        pass
    os._exit(1)
