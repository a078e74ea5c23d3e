"""MkDocs hooks: equations become MathML, and the examples of docstrings become code blocks.

Tables fold away the tests that hold their rows, and a page that is not translated says so.
"""

import html
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from latex2mathml.converter import convert
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

# What pymdownx.arithmatex leaves of `$...$` and `$$...$$`.
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)

# What the language plugin makes of the other languages of a page.
ALTERNATE = re.compile(r'<link rel="alternate"[^>]*hreflang[^>]*>\s*')

# The name of a test in a table may break into lines where its words do.
LONG_NAME = re.compile(r"<code>tests/[^<]*</code>")
BREAKS = re.compile(r"(?<=\w)(?:/|::|_)(?=\w)")

# The arguments of a call in an API page, and where the next one begins.
ARGUMENTS = re.compile(r'<details class="call-arguments".*?</details>', re.DOTALL)
NEXT_ARGUMENT = re.compile(r"\n(?=\w+: )")

# The last column of a table that ends in "tested by", and a row of three columns.
HELD_HEAD = re.compile(r"\s*<th>tested by</th>(?=\s*</tr>)")
HELD_ROW = re.compile(r"</td>\s*<td>((?:(?!</?td>).)*)</td>(?=\s*</tr>)", re.DOTALL)
TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.DOTALL)

# What a page of another language says that is there in English alone.
NOTICES = {"ko": "이 페이지는 아직 번역되지 않아 영어 원문을 보여 드립니다."}

# A drawing that the page holds itself, so that its text has the page's colour.
DRAWING = re.compile(r'<img alt="([^"]*)" src="[./]*(assets/[^"]*\.svg)" ?/?>')

# Where the addresses of the project stand.
PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def on_config(config):
    urls = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["urls"]
    config.site_url = urls["Documentation"]  # the site map has whole addresses
    config.copyright = f'<a href="{urls["Repository"]}">{urls["Repository"]}</a>'
    config.markdown_extensions.append(Doctests())
    return config


def on_page_content(content, page, config, **_):
    content = ARGUMENTS.sub(lambda match: NEXT_ARGUMENT.sub("<br>", match[0]), content)
    content = DRAWING.sub(lambda match: drawing(match[2], match[1]), content)
    content = TABLE.sub(lambda match: marked(folded(match[0])), content)
    content = LONG_NAME.sub(lambda match: BREAKS.sub(r"\g<0><wbr>", match[0]), content)
    content = BLOCK.sub(lambda match: mathml(match[1], "block"), content)
    content = INLINE.sub(lambda match: mathml(match[1], "inline"), content)
    return with_notice(content, config.theme["language"], page.file.src_uri)


def on_post_page(output, page, config, **_):
    """Mends what the language plugin writes for a site that may stand anywhere.

    The links of the home pages begin at the server's root. And beside every page of another
    language that the head names, the theme's script looks for a site map, which stands elsewhere.
    """
    output = ALTERNATE.sub("", output)
    root = "../" * page.url.count("/") or "./"
    from_root = re.compile(rf'href="{re.escape(urlsplit(config.site_url).path)}([^"]*)" hreflang')
    return from_root.sub(lambda match: f'href="{root}{match[1]}" hreflang', output)


def drawing(path, description):
    """The drawing in a file, with a description for those who do not see it."""
    text = (Path(__file__).parent / path).read_text("utf-8")
    return text.replace("<svg ", f'<svg role="img" aria-label="{description}" ', 1)


def folded(table):
    """A table whose last column is "tested by", with the tests below the column before it."""
    if not HELD_HEAD.search(table):
        return table
    fold = r'<details class="held-by"><summary>tests</summary>\1</details></td>'
    return HELD_ROW.sub(fold, HELD_HEAD.sub("", table))


def marked(table):
    """A table with a mark for the style sheet if most cells are figures, which stay on a line."""
    cells = CELL.findall(table)
    figures = sum(cell[:1].isdigit() or cell == "-" for cell in cells)
    mostly = 2 * figures > len(cells)
    return table.replace("<table>", "<table data-figures>", 1) if mostly else table


def with_notice(content, language, source):
    """The content, below a notice where it is English under another language."""
    if language not in NOTICES or source.endswith(f".{language}.md"):
        return content
    title = f'<p class="admonition-title">{NOTICES[language]}</p>'
    notice = f'<div class="admonition note untranslated">{title}</div>'
    return f'{notice}\n<div lang="en">\n{content}\n</div>'


def mathml(latex, display):
    """Browsers show MathML by themselves, without a script or a network."""
    latex = html.unescape(latex).strip().replace("{aligned}", "{align*}")  # the name it knows
    return convert(latex, display=display)


class Doctests(Extension):
    """A run of lines that starts with `>>>` and ends at an empty line is a block of code."""

    def extendMarkdown(self, md):
        before_fences = 28
        md.preprocessors.register(FenceDoctests(md), "doctests", before_fences)


class FenceDoctests(Preprocessor):
    def run(self, lines):
        inside, fenced, result = False, False, []
        for line in lines:
            fenced ^= line.lstrip().startswith("```")
            starts = not fenced and not inside and line.startswith(">>> ")
            ends = inside and not line.strip()
            if starts:
                result.append("```pycon")
            if ends:
                result.append("```")
            inside = (inside or starts) and not ends
            result.append(line)
        return [*result, "```"] if inside else result
