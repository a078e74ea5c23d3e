"""Classifiers that another process goes on to fit, or loads."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.text import process


def start(inside, name, **settings):
    """What the classifier answers, or None if the process was killed."""
    file = inside / f"{name}.json"
    file.write_text(json.dumps(settings))
    ended = subprocess.run(
        [sys.executable, process.__file__, str(file)], capture_output=True, text=True, check=False
    )
    if ended.returncode == -signal.SIGKILL:
        return None
    assert ended.returncode == 0, ended.stderr
    return json.loads(file.with_suffix(".result").read_text())


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX systems")
def test_a_fit_that_was_killed_ends_like_a_whole_one(tmp_path):
    whole = start(tmp_path, "whole", folder=str(tmp_path / "whole"))
    assert len(whole["history"]["loss"]) == 4
    for batch in (9, 8):  # in the second epoch, and in the second after that
        killed = start(tmp_path, "killed", folder=str(tmp_path / "killed"), kill_in=batch)
        assert killed is None
    assert start(tmp_path, "killed", folder=str(tmp_path / "killed")) == whole


@pytest.mark.slow
def test_a_loaded_classifier_gives_the_same_answers_in_another_process(tmp_path):
    classifier = process.fit()
    classifier.save(tmp_path / "saved")
    expected = process.answers(classifier)
    found = start(tmp_path, "loaded", load=str(tmp_path / "saved"))
    assert found["classes"] == expected["classes"]
    assert found["history"] == expected["history"]
    for name in ("probabilities", "probability"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
    assert [word for word, _ in found["words"]] == [word for word, _ in expected["words"]]
    scores = [[score for _, score in one["words"]] for one in (found, expected)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
