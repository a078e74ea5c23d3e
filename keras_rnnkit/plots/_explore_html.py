"""Puts the page together: template, style, script and data in one file, with its own policy.

The data is JSON in a block that a browser does not run, and the script writes tokens as text, never
as HTML. The policy allows this style and this script alone, by their hashes, and no network.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from string import Template
from typing import Any

_SCRIPTS = ("explore_data.js", "explore_lists.js", "explore_chart.js", "explore.js")
# What could end the block of the data, or open a comment in it.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def page(title: str, data: dict[str, Any]) -> bytes:
    """The HTML of the page for these data, UTF-8."""
    style = _read("explore.css")
    script = "\n".join(map(_read, _SCRIPTS))
    text = Template(_read("explore.html")).substitute(
        title=html.escape(title),
        policy=(
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'"
        ),
        style=style,
        script=script,
        data=embedded_json(data),
    )
    return text.encode("utf-8", "replace")


def embedded_json(data: Any) -> str:
    """JSON in ASCII that contains none of the characters that mean something in HTML."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _read(name: str) -> str:
    """A file beside this module; its lines end as those of the page, which are hashed."""
    file = resources.files("keras_rnnkit.plots").joinpath(name)
    return file.read_text("utf-8").replace("\r\n", "\n")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
