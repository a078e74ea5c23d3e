"""The check of the built site sees what it is there for."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import check_site  # noqa: E402

sys.path.remove(str(ROOT / "docs"))

GOOD = '<link rel="canonical" href="https://a.b/"><img src="a%20b.png" alt="A letter">'


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        (GOOD, None),
        ('<img src="a%20b.png">', "no alt text"),
        ('<img src="a%20b.png" alt=" ">', "no alt text"),
        ('<script src="https://cdn.net/x.js"></script>', "comes from elsewhere"),
        ('<link rel="stylesheet" href="//cdn.net/x.css">', "comes from elsewhere"),
        ('<script src="x.js"></script>', "is missing"),
        ('<a href="/ko/">Korean</a>', "root of a server"),
        ('<link rel="alternate" href="ko/" hreflang="ko">', "site map"),
        ('<h2 id="keras_rnnkit.stream.stream">', "shows a module"),
        ('<span class="arithmatex">x</span>', "not rendered"),
    ],
)
def test_a_page_is_checked(html, problem, tmp_path):
    (tmp_path / "a b.png").write_text("")
    page = tmp_path / "index.html"
    page.write_text(html)
    problems = check_site.problems_of(page)
    assert len(problems) == bool(problem)
    assert problem is None or problem in problems[0]


def test_a_style_sheet_is_checked(tmp_path):
    style = tmp_path / "a.css"
    style.write_text("a { background: url('b.png') }")
    assert not check_site.problems_of_style(style)
    style.write_text("@import 'https://fonts.net/a.css'; b { src: url(//fonts.net/b.woff) }")
    assert len(check_site.problems_of_style(style)) == 2


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("nav:")[2]
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        if re.match(r"api/\w+/", name):  # below the first page of its section, by a hook
            name = f"{page.parent.relative_to(ROOT / 'docs').as_posix()}.md"
        if not name.startswith("results/") and not name.endswith(".ko.md"):
            assert f": {name}" in navigation, f"{name} is not in the navigation"


@pytest.mark.parametrize("section", ["layers", "cells"])
def test_the_first_page_of_a_section_lists_what_is_below_it(section):
    assert "<!-- the names on the pages of this section -->" in (
        ROOT / "docs" / "api" / f"{section}.md"
    ).read_text("utf-8")
