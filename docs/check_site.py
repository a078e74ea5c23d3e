"""Checks the built site: nothing from elsewhere, nothing missing, a text beside every picture.

python docs/check_site.py site

And every link inside it leads somewhere, the site map has every page, every public name has its
place in the API, and a page that is not translated says so.
"""

import ast
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("ko",)  # those beside English, a folder each
ROOMS = ("callbacks", "data", "initializers", "plots")  # public modules below the package

# Where a page loads something from, by tag.
LOADS = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}
NOT_LOADED = {"canonical", "alternate", "prev", "next"}


class Page(HTMLParser):
    """What a page loads, where it leads, and its pictures without a text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        address = found.get(LOADS.get(tag, ""))
        if address and not set((found.get("rel") or "").split()) & NOT_LOADED:
            self.loads.append(address)
        if tag == "img" and not (found.get("alt") or "").strip():
            self.problems.append(f"{address} has no alt text")
        if tag == "a":
            self.links.append(found.get("href") or "")
        if tag == "link" and found.get("rel") == "alternate" and "hreflang" in found:
            self.problems.append(f"the theme looks for a site map below {address}")
        if re.fullmatch(r"keras_rnnkit\..*?(\w+)\.\1", found.get("id") or ""):
            self.problems.append(f"{found['id']} shows a module instead of what bears its name")
        if "arithmatex" in (found.get("class") or ""):
            self.problems.append("an equation was not rendered")


def problems_of(path: Path) -> list[str]:
    """What is wrong with a page."""
    page, text = Page(), path.read_text("utf-8")
    page.feed(text)
    if path.name == "404.html":  # may be shown at any depth, so it needs a root
        return [f"{address} comes from elsewhere" for address in page.loads if elsewhere(address)]
    problems = [*page.problems, *problems_of_the_api(text)]
    for address in page.loads:
        if elsewhere(address):
            problems.append(f"{address} comes from elsewhere")
        elif not address.startswith("data:") and not target(path, address).exists():
            problems.append(f"{address} is missing")
    for address in page.links:
        if address.startswith("/"):
            problems.append(f"the link {address} works at the root of a server only")
        elif not urlsplit(address).scheme and not leads(path, address):
            problems.append(f"the link {address} leads nowhere")
    return problems


def problems_of_the_api(text: str) -> list[str]:
    """Bases that nobody can import, and columns of tests, which hooks.py folds away."""
    bases = "".join(re.findall(r"doc-class-bases\">(.*?)</p>", text, re.DOTALL))
    inside = [base for base in re.findall(r"<code>(.*?)</code>", bases) if base[:5] != "keras"]
    problems = [f"the base {base} is internal" for base in inside]
    return [*problems, *(["a column of tests"] if "<th>tested by</th>" in text else [])]


def elsewhere(address: str) -> bool:
    """Whether an address is that of another server."""
    parts = urlsplit(address)
    return parts.scheme != "data" and bool(parts.scheme or parts.netloc)


def target(path: Path, address: str) -> Path:
    """The file that an address on a page leads to."""
    found = path.parent / unquote(urlsplit(address).path) if urlsplit(address).path else path
    return found / "index.html" if found.is_dir() else found


def leads(path: Path, address: str) -> bool:
    """Whether a link has a page at its end, and the place on it."""
    page, place = target(path, address), unquote(urlsplit(address).fragment)
    return page.is_file() and (not place or place in places(page))


@cache
def places(path: Path) -> set[str]:
    """Where links can lead to on a page."""
    return set(re.findall(r"\b(?:id|name)=\"([^\"]+)\"", path.read_text("utf-8")))


def problems_of_style(path: Path) -> list[str]:
    """What a style sheet loads from elsewhere, or misses."""
    text = path.read_text("utf-8")
    found = re.findall(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]+)", text)
    local = re.findall(r"url\([\"']?((?!data:|#)[^\"'():]+)[\"']?\)", text)
    missing = [address for address in local if address not in found]
    missing = [address for address in missing if not (path.parent / address).exists()]
    problems = [f"{address} comes from elsewhere" for address in found]
    return [*problems, *(f"{address} is missing" for address in missing)]


def problems_of_site_map(site: Path) -> list[str]:
    """Pages that the site map has not, and addresses that are not whole."""
    file = site / "sitemap.xml"
    found = re.findall(r"<loc>(.*?)</loc>", file.read_text("utf-8")) if file.exists() else []
    pages = {page.parent.relative_to(site).as_posix() for page in site.rglob("index.html")}
    base = min(found, key=len, default="")  # the address of the home page
    listed = {address.removeprefix(base).strip("/") or "." for address in found}
    partial = [address for address in found if not address.startswith("https://")]
    problems = [f"the site map lists {address}, which is no address" for address in partial]
    return [*problems, *(f"the site map lacks {page}" for page in sorted(pages - listed))]


def problems_of_languages(site: Path, docs: Path) -> list[str]:
    """Pages that are English without saying so, or say so although they are not."""
    problems = []
    for language in LANGUAGES:
        for page in sorted((site / language).rglob("index.html")):
            name = page.parent.relative_to(site / language).as_posix()
            sources = (docs / f"{name}.{language}.md", docs / name / f"index.{language}.md")
            translated = any(source.exists() for source in sources)
            says = 'class="admonition note untranslated"' in page.read_text("utf-8")
            if translated == says:
                problems.append(f"{page} {'is' if says else 'is not'} translated, and says else")
    return problems


def problems_of_names(site: Path, package: Path) -> list[str]:
    """Public names that no page of the API has."""
    pages = "".join(page.read_text("utf-8") for page in (site / "api").rglob("index.html"))
    names = [name for name in public(package) if name not in (*ROOMS, "__version__")]
    names += [f"{room}.{name}" for room in ROOMS for name in public(package / room)]
    missing = [name for name in names if f'id="{package.name}.{name}"' not in pages]
    return [f"{package.name}.{name} is on no page of the API" for name in missing]


def public(package: Path) -> list[str]:
    """What a package lists as `__all__`."""
    for node in ast.parse((package / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    raise ValueError(f"{package} has no __all__")


def main() -> None:
    """Prints every problem, and fails where there is one."""
    site = Path(sys.argv[1])
    pages = sorted(site.rglob("*.html"))
    lines = [f"{page}: {problem}" for page in pages for problem in problems_of(page)]
    styles = sorted(site.rglob("*.css"))
    lines += [f"{style}: {problem}" for style in styles for problem in problems_of_style(style)]
    lines += problems_of_site_map(site)
    lines += problems_of_languages(site, ROOT / "docs")
    lines += problems_of_names(site, ROOT / "keras_rnnkit")
    if lines or not pages:
        sys.exit("\n".join(lines) or f"{site} has no pages")
    print(f"{len(pages)} pages load nothing from elsewhere, and nothing is missing")


if __name__ == "__main__":
    main()
