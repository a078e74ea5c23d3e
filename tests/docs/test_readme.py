"""The README's program runs as it stands, and once more in the same place."""

import os
from pathlib import Path

import keras
import pytest
from matplotlib.image import imread

from tests.docs.test_pages import ROOT, run_pages

README = ROOT / "README.md"


def test_the_program_of_the_readme_runs_twice_in_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", keras.config.backend())
    first_fit = keras.Model.fit
    monkeypatch.setattr(
        keras.Model, "fit", lambda self, *a, **k: first_fit(self, *a, **{**k, "epochs": 2})
    )
    for _ in range(2):
        run_pages.run(README)
        assert imread("gates.png").shape[0] <= 1600
    assert [path.name for path in Path.cwd().iterdir()] == ["gates.png"]
    assert os.environ["KERAS_BACKEND"] == keras.config.backend()


@pytest.mark.no_backend
def test_the_backend_stands_before_the_first_import_of_keras():
    for page in (README, ROOT / "docs" / "index.md"):
        before, _, _ = page.read_text("utf-8").partition("import keras")
        assert "KERAS_BACKEND" in before
