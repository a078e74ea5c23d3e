"""What the docs say is held by a test is held by one: the table of what is fixed, row by row."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_backend

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "background" / "keras-differences.md"
# `tests/file.py::test_name`, or with a class between
REFERENCE = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?:(?P<group>\w+)::)?(?P<test>\w+)`")


def rows(page):
    """The cells of each row of the table under "Fixed"."""
    section = page.partition("\n## Fixed\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def missing(text):
    """The tests that a text names and that are not there."""
    found = []
    for match in REFERENCE.finditer(text):
        file = ROOT / match["file"]
        code = file.read_text("utf-8") if file.exists() else ""
        group = re.search(rf"^class {match['group'] or ''}\b", code, re.MULTILINE)
        if f"def {match['test']}(" not in code or (match["group"] and not group):
            found.append(match[0])
    return found


def complaints(page):
    """What is wrong with the table of a page."""
    table = rows(page)
    if not table:
        return ["there is no table"]
    short = [f"not three columns: {row}" for row in table if len(row) != 3]
    bare = [f"no test: {row[0]}" for row in table if not REFERENCE.search(row[-1])]
    return [*short, *bare, *(f"not there: {name}" for row in table for name in missing(row[-1]))]


def test_every_row_names_a_test_that_is_there():
    page = PAGE.read_text("utf-8")
    assert len(rows(page)) > 20
    assert not complaints(page), "\n".join(complaints(page))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("| a | b | - |", "no test: a"),
        ("| a | b |", "not three columns"),
        ("| a | b | `tests/docs/test_fixed_table.py::test_nothing` |", "not there: `tests/docs"),
        ("| a | b | `tests/docs/no_such_file.py::test_rows` |", "not there: `tests/docs/no_such"),
        ("| a | b | `tests/docs/test_fixed_table.py::TestNo::test_every_row` |", "not there"),
    ],
)
def test_a_row_without_a_test_is_noticed(row, complaint):
    head = "| in Keras | here | tested by |\n|---|---|---|"
    page = f"# Page\n\n## Fixed\n\n{head}\n{row}\n\n## Next\n"
    assert any(found.startswith(complaint) for found in complaints(page))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_the_tests_that_a_page_names_are_there(page):
    assert not missing(page.read_text("utf-8"))
