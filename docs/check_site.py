"""Checks the built site: nothing from elsewhere, nothing missing, a text beside every picture.

python docs/check_site.py site
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Where a page loads something from, by tag.
LOADS = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}
NOT_LOADED = {"canonical", "alternate", "prev", "next"}


class Page(HTMLParser):
    """What a page loads, and its pictures without a text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        address = found.get(LOADS.get(tag, ""))
        if address and not set((found.get("rel") or "").split()) & NOT_LOADED:
            self.loads.append(address)
        if tag == "img" and not (found.get("alt") or "").strip():
            self.problems.append(f"{address} has no alt text")
        if tag == "a" and (found.get("href") or "").startswith("/"):
            self.problems.append(f"the link {found['href']} works at the root of a server only")
        if tag == "link" and found.get("rel") == "alternate" and "hreflang" in found:
            self.problems.append(f"the theme looks for a site map below {address}")
        if re.fullmatch(r"keras_rnnkit\..*?(\w+)\.\1", found.get("id") or ""):
            self.problems.append(f"{found['id']} shows a module instead of what bears its name")
        if "arithmatex" in (found.get("class") or ""):
            self.problems.append("an equation was not rendered")


def problems_of(path: Path) -> list[str]:
    """What is wrong with a page."""
    page = Page()
    page.feed(path.read_text("utf-8"))
    # The page for what is missing may be shown at any depth, so it needs a root.
    problems = [] if path.name == "404.html" else list(page.problems)
    for address in page.loads:
        parts = urlsplit(address)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc:
            problems.append(f"{address} comes from elsewhere")
        elif path.name != "404.html" and not (path.parent / unquote(parts.path)).exists():
            problems.append(f"{address} is missing")
    return problems


def problems_of_style(path: Path) -> list[str]:
    """What a style sheet loads from elsewhere."""
    found = re.findall(
        r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]+)", path.read_text("utf-8")
    )
    return [f"{address} comes from elsewhere" for address in found]


def main() -> None:
    """Prints every problem, and fails where there is one."""
    site = Path(sys.argv[1])
    pages = sorted(site.rglob("*.html"))
    lines = [f"{page}: {problem}" for page in pages for problem in problems_of(page)]
    styles = sorted(site.rglob("*.css"))
    lines += [f"{style}: {problem}" for style in styles for problem in problems_of_style(style)]
    if lines or not pages:
        sys.exit("\n".join(lines) or f"{site} has no pages")
    print(f"{len(pages)} pages load nothing from elsewhere, and nothing is missing")


if __name__ == "__main__":
    main()
