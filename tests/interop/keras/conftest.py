"""A file of Keras 2 to change, and `make_files.py` left out: it needs tf-keras."""

import shutil
from pathlib import Path

import pytest

collect_ignore = ["make_files.py"]
GOOD = Path(__file__).parent / "files" / "old.h5"


@pytest.fixture
def path(tmp_path):
    shutil.copy(GOOD, tmp_path / "model.h5")
    return tmp_path / "model.h5"
