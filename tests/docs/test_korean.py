"""Every tutorial and how-to page is there in Korean, whole, with the anchors of its original."""

import re

import pytest

from tests.docs.test_pages import ROOT, TRANSLATIONS, run_pages

pytestmark = pytest.mark.no_backend

DOCS = ROOT / "docs"
ORIGINALS = [
    page
    for page in sorted([*DOCS.glob("tutorials/*.md"), *DOCS.glob("how-to/*.md")])
    if not page.stem.endswith(".ko")
]
HEADING = re.compile(r"^#+ (?P<text>.*?)(?: \{ #(?P<id>[\w-]+) \})?$", re.MULTILINE)
HANGUL = re.compile("[\uac00-\ud7a3]")
CODE_AND_MATHS = re.compile(r"^ *```.*?^ *```$|^\$\$.*?^\$\$$", re.DOTALL | re.MULTILINE)


def prose(text):
    """A page without its code, its equations and the lines that include another file."""
    return re.sub(r"^--8<--.*$", "", CODE_AND_MATHS.sub("", text), flags=re.MULTILINE)


def slug(heading):
    """The anchor that MkDocs makes of an English heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


@pytest.mark.parametrize("page", [DOCS / "index.md", *ORIGINALS], ids=lambda page: page.stem)
def test_every_tutorial_and_how_to_page_is_there_in_korean(page):
    assert page.with_suffix(".ko.md") in TRANSLATIONS


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.stem)
def test_no_paragraph_is_left_in_english(page):
    paragraphs = re.split(r"\n\s*\n", prose(page.read_text("utf-8")))
    long = [text for text in paragraphs if len(re.findall(r"[A-Za-z]{3,}", text)) > 8]
    assert not [text for text in long if not HANGUL.search(text)]


@pytest.mark.parametrize("page", ORIGINALS, ids=lambda page: page.stem)
def test_a_link_to_a_heading_leads_to_the_same_place_in_both_languages(page):
    translation = prose(page.with_suffix(".ko.md").read_text("utf-8"))
    english = HEADING.finditer(prose(page.read_text("utf-8")))
    anchors = [found["id"] or slug(found["text"]) for found in english]
    assert [found["id"] for found in HEADING.finditer(translation)] == anchors


def test_the_code_of_a_translation_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.ko.md"
    page.write_text("```python\nprint(1 + 1)  # 더하기\n```\n\n```text\n3\n```\n", "utf-8")
    [output] = run_pages.run(page)
    assert (output.shown, output.printed) == ("3\n", "2\n")
