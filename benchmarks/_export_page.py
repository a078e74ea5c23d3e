"""The page parts of `export_matrix.py`: what works, and what does not with the reason."""

from pathlib import Path
from typing import Any

from _export_formats import NEEDS
from _export_models import KINDS, WAYS
from _results import fullest
from _tables import NAMES, table

FOLDER = Path(__file__).parent.parent / "docs" / "results"
TEXTS = {
    "en": {
        "head": ["Format", "Backend"],
        "yes": "yes",
        "portable": "portable",
        "keras": "`keras.layers`",
        "no": "no",
        "reasons": ["Format", "Backend", "Layer", "Error with the layer as it is"],
    },
    "ko": {
        "head": ["형식", "백엔드"],
        "yes": "가능",
        "portable": "portable",
        "keras": "`keras.layers`",
        "no": "불가",
        "reasons": ["형식", "백엔드", "층", "층을 그대로 내보낼 때의 오류"],
    },
}


def parts() -> dict[Path, str]:
    """The parts by their files, one for each language."""
    reports = fullest("export_matrix")
    return {
        FOLDER / f"export_matrix.{language}.md": part(reports, texts)
        for language, texts in TEXTS.items()
    }


def part(reports: dict[str, Any], texts: dict[str, Any]) -> str:
    """The matrix, and the reasons below it."""
    rows, reasons = [], []
    for name, backends in NEEDS.items():
        for backend in backends:
            cells = reports.get(backend, {"cells": {}})["cells"]
            found = [cells.get(f"{name}/{kind}", {}).get("outcomes") for kind in KINDS]
            if any(found):
                rows.append(
                    [name, NAMES[backend], *(answer(outcomes, texts) for outcomes in found)]
                )
            for kind, outcomes in zip(KINDS, found, strict=True):
                if outcomes and outcomes[WAYS[0]]:
                    why = outcomes[WAYS[0]].replace("|", "\\|").replace("<", "&lt;")
                    reasons.append([name, NAMES[backend], kind, why])
    text = table([*texts["head"], *KINDS], rows) + "\n"
    return f"{text}\n{table(texts['reasons'], reasons)}\n" if reasons else text


def answer(outcomes: dict[str, str] | None, texts: dict[str, Any]) -> str:
    """The text of a cell: the first way that works."""
    if outcomes is None:
        return "-"
    works = next((way for way, why in outcomes.items() if not why), None)
    keys = dict(zip((*WAYS, None), ("yes", "portable", "keras", "no"), strict=True))
    return texts[keys[works]]
