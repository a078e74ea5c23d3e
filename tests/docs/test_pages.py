"""Every code block of the docs runs, and prints what the page says it prints."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import run_pages  # noqa: E402

sys.path.remove(str(ROOT / "docs"))


TRANSLATIONS = [
    page for page in sorted((ROOT / "docs").rglob("*.ko.md")) if "results" not in page.parts
]


@pytest.fixture
def small_reviews(monkeypatch):
    """The sample for the IMDB reviews, and three epochs for the chapter's hundred."""
    sample = kit.data.load_sample()

    def load_imdb(num_words=500, maxlen=100, validation_size=0.2, **_):
        def part(reviews, count):
            x = np.minimum(reviews.x[:count], num_words - 1)
            return kit.data.Split(np.pad(x, [(0, 0), (maxlen - x.shape[1], 0)]), reviews.y[:count])

        validation = part(sample.validation, 32)
        return kit.data.ImdbData(part(sample.train, 128), validation, validation)

    fit = keras.Model.fit

    def quick_fit(self, *args, epochs=1, **options):
        return fit(self, *args, epochs=3 if epochs == 100 else epochs, **options)

    monkeypatch.setattr(keras.Model, "fit", quick_fit)
    monkeypatch.setattr(kit.data, "load_imdb", load_imdb)
    monkeypatch.setattr(kit.data.Vocabulary, "imdb", lambda *_, **__: sample.vocabulary)


# A translation has the code of its original, as tested below. The outputs are JAX's, so the pages
# run there, and on TensorFlow, where the graphs take minutes, in the weekly run.
@pytest.mark.slow_on("tensorflow")
@pytest.mark.parametrize("page", run_pages.pages(), ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_prints_what_it_shows(
    page, small_reviews, tmp_path, monkeypatch
):
    backend = keras.config.backend()
    needs_torch = "\nimport torch\n" in page.read_text("utf-8")
    if needs_torch and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    if backend == "torch" and not needs_torch:
        pytest.skip("the page runs on JAX, which prints what it shows")
    monkeypatch.chdir(tmp_path)
    policy = keras.config.dtype_policy()
    try:
        outputs = run_pages.run(page)
    finally:
        keras.config.set_dtype_policy(policy)
    if backend != ("torch" if needs_torch else "jax"):
        return  # the outputs are JAX's, or PyTorch's on a page that imports it
    for output in outputs:
        assert run_pages.same(output.shown, output.printed), (
            f"{page}:{output.line} shows\n{output.shown}\nbut the code prints\n{output.printed}\n"
            f"Run KERAS_BACKEND={backend} python docs/run_pages.py {page.relative_to(ROOT)}"
        )


@pytest.mark.no_backend
@pytest.mark.parametrize("page", run_pages.pages(), ids=lambda page: page.stem)
def test_the_pictures_of_a_page_are_there(page):
    for picture in run_pages.pictures(page):
        assert picture.stat().st_size > 5_000


def syntax(text):
    """What Python understands of each `python` block: all but the comments."""
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [ast.dump(ast.parse(block)) for block in blocks]


@pytest.mark.no_backend
@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.stem)
def test_a_translation_has_the_code_the_tables_and_the_pictures_of_its_original(page):
    text = page.read_text("utf-8")
    original = page.with_name(page.name.replace(".ko.md", ".md"))
    assert syntax(text) == syntax(original.read_text("utf-8"))
    assert run_pages.with_code_of(original.read_text("utf-8"), text) == text
    assert run_pages.pictures(page) == run_pages.pictures(original)
    included = re.compile(r'^--8<-- "(.*?)\.(?:en|ko)\.md"$', re.MULTILINE)
    assert included.findall(text) == included.findall(original.read_text("utf-8"))
    headings = re.compile(r"^#+ ", re.MULTILINE)
    assert headings.findall(text) == headings.findall(original.read_text("utf-8"))


@pytest.mark.no_backend
def test_only_the_comments_of_a_translated_block_may_differ():
    assert syntax("```python\nx = 1  # one\n```\n") == syntax("```python\nx = 1  # 하나\n```\n")
    assert syntax("```python\nx = '# one'\n```\n") != syntax("```python\nx = '# 하나'\n```\n")
    original = "One\n\n```python\nx = 1  # one\n```\n\n```text\n1\n```\n"
    translated = original.replace("One", "하나").replace("# one", "# 하나")
    assert run_pages.with_code_of(original, translated) == translated
    changed = translated.replace("x = 1", "x = 2").replace("text\n1", "text\n1  # 하나")
    assert run_pages.with_code_of(original, changed) == original.replace("One", "하나")
    with pytest.raises(ValueError, match="fewer blocks"):
        run_pages.with_code_of(original, "하나")


@pytest.mark.no_backend
def test_outputs_are_the_same_only_with_the_same_words_and_nearly_the_same_numbers():
    assert run_pages.same("loss 0.432, 8 units", "loss 0.431, 8  units\n")
    assert not run_pages.same("loss 0.432, 8 units", "loss 0.532, 8 units")
    assert not run_pages.same("loss 0.432, 8 units", "loss 0.432, 9 units")
    assert not run_pages.same("loss 0.432", "loss 0.432 0.432")
    assert not run_pages.same("loss 1000.0", "loss 1100.0")


@pytest.mark.no_backend
def test_outputs_and_pictures_are_written_into_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 2\nprint(x)\n```\n\n```text\n```\n\n"
        "```python\nprint('a')\nprint(x + 1.5)\n"
        "import pathlib\npathlib.Path('a.png').write_text('drawn')\n```\n\n"
        "```text\nold\nlines\n```\n\n"
        "![A letter](assets/page/a.png)\n"
    )
    run_pages.write(page)
    assert "print(x)\n```\n\n```text\n2\n```\n" in page.read_text()
    assert "```\n\n```text\na\n3.5\n```\n\n![A letter]" in page.read_text()
    assert (tmp_path / "assets/page/a.png").read_text() == "drawn"
