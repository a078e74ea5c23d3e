"""The recipes of the page "Deploy a model": the browser's and the C program's.

They need libraries from outside of Python, whose folders these variables name:

- KERAS_RNNKIT_ORT_WEB: `dist` of the npm package `onnxruntime-web`
- KERAS_RNNKIT_ORT_C: a release of ONNX Runtime, with `include` and `lib`
"""

import functools
import http.server
import os
import re
import runpy
import shutil
import subprocess
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.chromium import start_chromium

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "how-to" / "deploy.md").read_text(encoding="utf-8")
WORDS = [[4, 8, 15, 16]]


@pytest.fixture
def model():
    """The model of the page."""
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32", name="words"),
            keras.layers.Embedding(1000, 16, mask_zero=True),
            kit.LSTM(8, name="lstm"),
            keras.layers.Dense(1, activation="sigmoid", name="probability"),
        ]
    )


@pytest.fixture
def probability(model, tmp_path):
    """What the model gives; its file is in `tmp_path`."""
    kit.export_onnx(model, tmp_path / "model.onnx")
    return float(model.predict(np.array(WORDS), verbose=0)[0, 0])


def library(variable):
    """The folder that a variable names."""
    if variable not in os.environ:
        pytest.skip(f"needs {variable}, the folder of a library from outside of Python")
    return Path(os.environ[variable])


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_the_page_in_a_browser_shows_the_probability(probability, tmp_path):
    shutil.copytree(library("KERAS_RNNKIT_ORT_WEB"), tmp_path / "dist")
    (tmp_path / "index.html").write_text(re.search(r"```html\n(.*?)```", PAGE, re.S)[1])
    handler = functools.partial(Quiet, directory=tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    driver = start_chromium()
    try:
        from selenium.webdriver.support.ui import WebDriverWait

        driver.get(f"http://127.0.0.1:{server.server_port}/index.html")
        shown = WebDriverWait(driver, 60).until(
            lambda driver: driver.find_element("tag name", "body").text
        )
    finally:
        driver.quit()
        server.shutdown()
        server.server_close()
    assert float(shown) == pytest.approx(probability, abs=1e-5)


def test_the_c_program_prints_the_probability(probability, tmp_path):
    folder = library("KERAS_RNNKIT_ORT_C")
    options = ["-I", folder / "include", "-L", folder / "lib", "-lonnxruntime"]
    program = tmp_path / "deploy"
    subprocess.run(["gcc", DOCS / "results" / "deploy.c", *options, "-o", program], check=True)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder / "lib")}
    done = subprocess.run(
        [program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(probability, abs=1e-5)


# Exporters and what they import warn of their own code.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(keras.config.backend() == "jax", reason="Keras has no LiteRT export on JAX")
def test_the_file_for_a_phone_gives_the_probability(model, tmp_path, monkeypatch):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    if keras.config.backend() == "torch":
        pytest.importorskip("litert_torch")
    monkeypatch.chdir(tmp_path)
    (recipe,) = (code for code in re.findall(r"```py\n(.*?)```", PAGE, re.S) if "litert" in code)
    (tmp_path / "recipe.py").write_text(recipe, encoding="utf-8")
    runpy.run_path("recipe.py", {"keras": keras, "model": model})
    x = np.zeros((1, 100), "int32")
    x[0, :4] = WORDS[0]
    interpreter = litert.Interpreter(model_path="model.tflite")
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], x.astype(entry["dtype"]))
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-5)
