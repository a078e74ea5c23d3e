"""The section of CHANGELOG.md that belongs to a tag, as the text of a GitHub release.

python .github/release_notes.py v0.1.0
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def release_notes(tag: str, version: str, changelog: str) -> str:
    """Return the changelog's section of the version, a line for each paragraph.

    GitHub shows every line break of a release, so that paragraphs may have none.

    Raises:
        ValueError: The tag is not that of the version, or the version has no section.
    """
    if tag != f"v{version}":
        raise ValueError(
            f"The tag must be that of the version in keras_rnnkit/_version.py, v{version}. "
            f"Received: tag={tag!r}"
        )
    sections = re.split(r"^## (?=\[)", changelog, flags=re.MULTILINE)
    for section in sections:
        heading, _, text = section.partition("\n")
        if heading.startswith(f"[{version}]") and text.strip():
            return re.sub(r"\n +(?![-*] )(?=\S)", " ", text.strip()) + "\n"
    raise ValueError(
        "CHANGELOG.md must have a section with the changes of the version to release. "
        f"Received: version={version!r}"
    )


def main() -> None:
    """Write the notes of the tag in the command line."""
    (version,) = VERSION.findall((ROOT / "keras_rnnkit/_version.py").read_text("utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    sys.stdout.write(release_notes(sys.argv[1], version, changelog))


if __name__ == "__main__":
    main()
