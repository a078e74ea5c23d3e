"""Runs the code blocks of pages, and writes what they print and draw into the docs.

    KERAS_BACKEND=jax python docs/run_pages.py docs/index.md docs/tutorials/gates.md

The `python` blocks of a page run in order, in one namespace and in an empty folder. A `text` block
is what the `python` block before it prints. Where a page shows `assets/.../name.png`, its code
draws `name.png`. A translation (`page.ko.md`) has the blocks of its original; their comments may be
translated. The tests run every page and compare what it prints; the outputs are JAX's, and those of
PyTorch on a page that imports it.
"""

import argparse
import contextlib
import io
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[+-]?\d+)?(?![\w.])")
COMMENT = re.compile(r"[ \t]*# .*$", re.MULTILINE)
FENCE = re.compile(r"^```\w+\n.*?^```$", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\((?P<path>[^)]*\.png)\)")


class Output(NamedTuple):
    """What a block prints, beside what the page says, which lies from `start` to `end`."""

    line: int
    start: int
    end: int
    shown: str
    printed: str


def pages() -> list[Path]:
    """Every page with code to run; a translation has the code of its original."""
    found = [page for page in sorted(DOCS.rglob("*.md")) if not page.stem.endswith(".ko")]
    return [page for page in found if "```python" in page.read_text("utf-8")]


def run(page: Path) -> list[Output]:
    """Runs the page in the current folder; returns the outputs that it shows."""
    import keras
    from sybil import Sybil
    from sybil.evaluators.python import PythonEvaluator
    from sybil.parsers.markdown import CodeBlockParser

    printed, outputs = io.StringIO(), []

    def code(example):
        printed.seek(0)
        printed.truncate()
        with contextlib.redirect_stdout(printed):
            PythonEvaluator()(example)

    def output(example):
        start = example.document.text.index("\n", example.start) + 1
        shown = example.document.text[start : start + len(example.parsed)]
        outputs.append(
            Output(example.line, start, start + len(shown), shown, tidy(printed.getvalue()))
        )

    keras.utils.clear_session()  # so that the names of layers are counted from one
    parsers = [CodeBlockParser("python", code), CodeBlockParser("text", output)]
    document = Sybil(parsers).parse(page)
    document.namespace["__name__"] = "page"
    for example in document.examples():
        example.evaluate()
    return outputs


def tidy(text: str) -> str:
    """Printed text as a page shows it: without colours and blank ends."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"


def same(shown: str, printed: str, tolerance: float = 0.02) -> bool:
    """Whether two outputs are the same text, with decimals that are nearly the same."""
    if " ".join(NUMBER.sub("#", shown).split()) != " ".join(NUMBER.sub("#", printed).split()):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(abs(float(a) - float(b)) <= tolerance * max(1, abs(float(a))) for a, b in pairs)


def pictures(page: Path) -> list[Path]:
    """The drawings that a page shows."""
    found = PICTURE.finditer(page.read_text("utf-8"))
    return [(page.parent / match["path"]).resolve() for match in found]


def write(page: Path) -> None:
    """Puts what the page's code prints and draws into the docs."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        outputs = run(page)
        for picture in pictures(page):
            if Path(picture.name).exists():
                picture.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(picture.name, picture)
    text = page.read_text("utf-8")
    for output in reversed(outputs):
        text = text[: output.start] + output.printed + text[output.end :]
    page.write_text(text, "utf-8")
    translation = page.with_suffix(".ko.md")
    if translation.exists():
        translation.write_text(with_code_of(text, translation.read_text("utf-8")), "utf-8")


def with_code_of(original: str, translation: str) -> str:
    """The translation with the original's code and output; only comments are translated."""
    blocks = iter(FENCE.findall(original))

    def block(match: re.Match[str]) -> str:
        translated, found = match[0], next(blocks, "")
        if found.startswith("```text"):
            return found
        return translated if COMMENT.sub("", translated) == COMMENT.sub("", found) else found

    text = FENCE.sub(block, translation)
    if next(blocks, None) is not None:
        raise ValueError("The translation has fewer blocks of code than its original.")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, help="all, if none is given")
    os.environ.setdefault("MPLBACKEND", "agg")
    for page in parser.parse_args().pages or pages():
        print(page, flush=True)
        write(page.resolve())


if __name__ == "__main__":
    main()
