"""What importing the package loads, and what it leaves to those who need it."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.no_backend

CODE = """
import sys
import keras  # which loads scikit-learn itself, where it is installed

for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
    del sys.modules[name]
import keras_rnnkit

loaded = [name for name in sys.modules if name.partition(".")[0] == "sklearn"]
sys.exit(f"loaded: {loaded[:5]}" if loaded else 0)
"""


def test_scikit_learn_is_loaded_by_what_uses_it_alone():
    run = subprocess.run(
        [sys.executable, "-c", CODE], env=os.environ, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
