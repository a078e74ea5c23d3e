"""A run that is killed at any moment ends with the history of a run that was not.

`tox -e jax -- -m slow tests/callbacks/test_killed.py` kills at 20 moments, and so on each backend.
"""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from keras_rnnkit.callbacks import _checkpoint
from tests.callbacks import survivor

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX systems")


def start(folder, **settings):
    """Train in the folder; the result, or None if the process was killed."""
    file = folder.parent / f"{folder.name}.json"
    settings = {"folder": str(folder), "data": "array", "preset": "resumable", **settings}
    file.write_text(json.dumps(settings))
    result = file.with_suffix(".result")
    result.unlink(missing_ok=True)
    process = subprocess.run(
        [sys.executable, survivor.__file__, str(file)], capture_output=True, text=True, check=False
    )
    if process.returncode == -signal.SIGKILL:
        return None
    assert process.returncode == 0, process.stderr
    return json.loads(result.read_text())


def outcome(result):
    return {name: result[name] for name in ("epoch", "history", "weights")}


def kill_and_resume(folder, moments, **settings):
    """Kill the run at one moment after the other, then let it end; how often it was killed."""
    kills = 0
    for moment in moments:
        if start(folder, **settings, **moment) is not None:
            break
        kills += 1
        file = folder / "checkpoint.npz"
        if file.exists():
            assert _checkpoint.read(file) is not None  # complete, whenever the process was killed
    return kills, start(folder, **settings)


def test_a_killed_run_ends_like_one_that_was_not(tmp_path):
    whole = start(tmp_path / "whole", preset="standard")
    assert whole["epoch"][:4] == [0, 1, 2, 3]  # it may stop early
    # In the first epoch, later in a write, and later in a batch or a write, by the clock.
    moments = [{"kill_at": whole["moments"] * part // 10} for part in (1, 3)]
    moments.append({"kill_after": whole["seconds"] / 3})
    kills, resumed = kill_and_resume(tmp_path / "killed", moments, preset="standard")
    assert kills >= 2  # the clock may be too late
    assert outcome(resumed) == outcome(whole)
    logs = [(tmp_path / run / "log.csv").read_bytes() for run in ("whole", "killed")]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_twenty_random_moments(tmp_path):
    whole = start(tmp_path / "whole")
    generator = np.random.default_rng(2026)
    total = 0
    for chain in range(12):
        moments = [
            {"kill_at": int(generator.integers(1, whole["moments"] // 2))}
            if number % 2
            else {"kill_after": float(generator.uniform(0, whole["seconds"] / 2))}
            for number in range(4)
        ]
        kills, resumed = kill_and_resume(tmp_path / f"killed-{chain}", moments)
        assert outcome(resumed) == outcome(whole)
        total += kills
        if total >= 20:
            return
    raise AssertionError(f"killed {total} times only")
