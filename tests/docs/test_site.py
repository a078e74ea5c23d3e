"""The check of the built site sees what it is there for."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import check_site  # noqa: E402

sys.path.remove(str(ROOT / "docs"))

pytestmark = pytest.mark.no_backend

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
        ('<a href="../">up</a>', "leads nowhere"),
        ('<a href="#here">here</a>', "leads nowhere"),
        ('<a href="#here">here</a> <b id="here"></b> <a href="https://a.b/">there</a>', None),
        ('<p class="doc-class-bases">Bases: <code>Recurrent</code></p>', "internal"),
        ('<p class="doc-class-bases">Bases: <code>keras.layers.LSTM</code></p>', None),
        ("<table><tr><th>tested by</th></tr></table>", "a column of tests"),
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
    (tmp_path / "b.png").write_text("")
    style.write_text("a { background: url('b.png') } b { mask: url(data:,x) }")
    assert not check_site.problems_of_style(style)
    style.write_text("a { src: url(fonts/c.woff2) }")
    assert check_site.problems_of_style(style) == ["fonts/c.woff2 is missing"]
    style.write_text("@import 'https://fonts.net/a.css'; b { src: url(//fonts.net/b.woff) }")
    assert len(check_site.problems_of_style(style)) == 2


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_site_map_is_checked(tmp_path):
    write(tmp_path / "index.html")
    write(tmp_path / "a" / "index.html")
    assert len(check_site.problems_of_site_map(tmp_path)) == 2
    site_map = write(tmp_path / "sitemap.xml", "<loc>https://a.b/</loc><loc>https://a.b/a/</loc>")
    assert not check_site.problems_of_site_map(tmp_path)
    site_map.write_text("<loc>https://a.b/</loc>")
    assert check_site.problems_of_site_map(tmp_path) == ["the site map lacks a"]
    site_map.write_text("<loc>None</loc><loc>Nonea/</loc>")
    assert "which is no address" in check_site.problems_of_site_map(tmp_path)[0]


def test_the_notice_on_pages_that_are_not_translated_is_checked(tmp_path):
    site, docs = tmp_path / "site", tmp_path / "docs"
    notice = '<div class="admonition note untranslated">'
    write(docs / "index.ko.md")
    write(docs / "b.ko.md")
    _, a, b = (write(site / "ko" / name / "index.html") for name in (".", "a", "b"))
    a.write_text(notice)
    assert not check_site.problems_of_languages(site, docs)
    a.write_text("")
    b.write_text(notice)
    problems = check_site.problems_of_languages(site, docs)
    assert [problem.split(" ", 1)[0] for problem in problems] == [str(a), str(b)]


def test_a_public_name_without_an_api_page_is_noticed(tmp_path):
    package = tmp_path / "kit"
    write(package / "__init__.py", '__all__ = ["LSTM", "data", "explain"]')
    for room in check_site.ROOMS:
        write(package / room / "__init__.py", f'__all__ = ["{room}_of"]')
    ids = ["LSTM", *(f"{room}.{room}_of" for room in check_site.ROOMS)]
    page = "".join(f'<h2 id="kit.{name}">' for name in ids)
    write(tmp_path / "site" / "api" / "a" / "index.html", page)
    problems = check_site.problems_of_names(tmp_path / "site", package)
    assert problems == ["kit.explain is on no page of the API"]


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
