"""MkDocs hook: the pages of an API section stand in the navigation and in its table by themselves.

`api/layers.md` is the first page of a section with every page in `api/layers`. A new name is a
line `::: keras_rnnkit.Name` on one of them, or a page of its own.
"""

import re
from pathlib import Path

import griffe

DOCS = Path(__file__).resolve().parent
ENTRY = re.compile(r"^::: keras_rnnkit\.(\S+)$", re.MULTILINE)
MARKER = "<!-- the names on the pages of this section -->"


def on_config(config):
    config.nav = [with_sections(item) for item in config.nav]
    return config


def on_page_markdown(markdown, page, **_):
    if MARKER not in markdown:
        return markdown
    return markdown.replace(MARKER, table(pages_below(page.file.src_uri)))


def with_sections(item):
    """An item of the navigation, with a section in the place of a page that has pages below it."""
    if not isinstance(item, dict):
        return item
    ((title, target),) = item.items()
    if isinstance(target, list):
        return {title: [with_sections(part) for part in target]}
    below = pages_below(target)
    if not below:
        return item
    return {title: [{"Overview": target}, *(page.relative_to(DOCS).as_posix() for page in below)]}


def pages_below(target):
    """The pages in the folder that has the name of an API page."""
    return sorted((DOCS / target).with_suffix("").glob("*.md")) if target.startswith("api/") else []


def table(pages):
    """A row for each name on the pages: the name, and the first line of its docstring."""
    package = griffe.load("keras_rnnkit", search_paths=[DOCS.parent], resolve_aliases=True)
    # Plain links: a reference by name would not know in which language the page is meant.
    rows = [
        f"| [`{name}`]({link(page, name)}) | {summary(package[name])} |"
        for page in pages
        for name in ENTRY.findall(page.read_text("utf-8"))
    ]
    return "\n".join(["| name | what it is |", "| --- | --- |", *rows])


def link(page, name):
    """From the section's first page to a name on one of the others."""
    return f"{page.parent.name}/{page.name}#keras_rnnkit.{name}"


def summary(item):
    """The first line of a docstring."""
    return item.docstring.value.partition("\n")[0].replace("|", r"\|")
