"""MkDocs hook: turn the equations into MathML, which browsers show without a script or a network."""

import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves of `$...$` and `$$...$$`.
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content, **_):
    content = BLOCK.sub(lambda match: mathml(match[1], "block"), content)
    return INLINE.sub(lambda match: mathml(match[1], "inline"), content)


def mathml(latex, display):
    return convert(html.unescape(latex).strip(), display=display)
