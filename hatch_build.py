"""The long description for PyPI: the README, whose links lead into the repository there."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# `](target)` of a Markdown link or picture that leads to a file of this repository.
PICTURE = re.compile(r"(!\[[^\]]*\]\()(?!\w+:|#)([^)\s]+)")
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)\s]+)")


class LongDescription(MetadataHookInterface):
    """Sets the readme. The address of the repository stands in `[project.urls]` alone."""

    def update(self, metadata):
        text = Path(self.root, "README.md").read_text("utf-8")
        repository = metadata["urls"]["Repository"]
        parts = text.split("```")  # every other part is code
        parts[::2] = [absolute(part, repository) for part in parts[::2]]
        metadata["readme"] = {"content-type": "text/markdown", "text": "```".join(parts)}


def absolute(text, repository):
    """The text with the addresses of the files that it leads to."""
    text = PICTURE.sub(rf"\1{repository}/raw/HEAD/\2", text)
    return LINK.sub(rf"\1{repository}/blob/HEAD/\2", text)
