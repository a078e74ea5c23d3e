"""Trains a model of text in chunks of several lengths, beside whole rows.

    python benchmarks/chunks.py --backend jax --data aclImdb_labelled.tar.gz
    python benchmarks/chunks.py --check   # fails where the page parts are not what results say

Of each way to train: the bits per character on reviews of the test part, the seconds of an epoch,
and the memory of a step. Each runs in a process of its own, with the same weights at the start and
the same text. Each is saved as it is finished, and a run goes on where the last one stopped.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from _arguments import add_choice
from _chunk_run import LANES, ROW, UNITS
from _results import (
    BACKENDS,
    RESULTS,
    fullest,
    load_or_start,
    results_file,
    save,
    today,
    write_or_check,
)
from _tables import NAMES, table
from memory import WITHOUT_ONEDNN

DOCS = Path(__file__).parent.parent / "docs" / "results"
# The steps of a chunk, and whether the layer has `recompute=True`.
WAYS = {
    "50": (50, False),
    "100": (100, False),
    "200": (200, False),
    "whole": (ROW, False),
    "recompute": (ROW, True),
}
TEXTS: dict[str, dict[str, Any]] = {
    "en": {
        "intro": "An LSTM of {units} units reads {characters:,} characters of film reviews, in "
        "rows of {row:,}, {lanes} side by side, with Adam at one learning rate. The bits are those "
        "per character on reviews that it has not seen, after {epochs} epochs. The memory is that "
        "of a step beyond the data, the weights and the state of the optimizer.",
        "head": ["", "updates an epoch", "bits per character", "seconds an epoch", "MiB a step"],
        "chunk": "chunks of {}",
        "whole": "whole rows",
        "recompute": "whole rows, `recompute=True`",
        "nothing": "No results yet.",
    },
    "ko": {
        "intro": "유닛이 {units}개인 LSTM이 영화 리뷰 {characters:,}자를 읽습니다. 한 행은 "
        "{row:,}자이고 한 번에 {lanes}행씩 읽습니다. 옵티마이저는 Adam이고 학습률은 모두 같습니다. "
        "비트 수는 {epochs}에포크를 훈련한 뒤 처음 보는 리뷰에서 잰 문자당 비트 수입니다. 메모리는 "
        "훈련 스텝 하나가 데이터, 가중치, 옵티마이저 상태 말고 더 쓰는 크기입니다.",
        "head": ["", "에포크당 업데이트", "문자당 비트", "에포크당 초", "스텝당 MiB"],
        "chunk": "구간 {}",
        "whole": "행 전체",
        "recompute": "행 전체, `recompute=True`",
        "nothing": "아직 결과가 없습니다.",
    },
}


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--data", type=Path, help="aclImdb_labelled.tar.gz")
    add_choice(parser, "--ways", tuple(WAYS))
    parser.add_argument("--sets", type=int, default=20, help=f"sets of {LANES} rows to train on")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="measure ways that are there, too")
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/chunks_BACKEND.json")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if not (arguments.check or (arguments.backend and arguments.data)):
        parser.error("--backend and --data are needed to measure")
    return arguments


def part(reports: dict[str, dict[str, Any]], language: str) -> str:
    """The part of the page: a table for each backend."""
    text = TEXTS[language]
    sections = [_intro(next(iter(reports.values())), text) if reports else text["nothing"]]
    for backend, report in reports.items():
        rows = [
            [
                text.get(way) or text["chunk"].format(way),
                str(cell["updates"]),
                f"{cell['bits'][-1]:.2f}",
                f"{cell['seconds']:.1f}",
                f"{cell['mib']:.0f}",
            ]
            for way, cell in report["cells"].items()
        ]
        cpu = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        sections.append(f"{NAMES[backend]}, {cpu}:\n\n{table(text['head'], rows)}")
    return "\n\n".join(sections) + "\n"


def _intro(report: dict[str, Any], text: dict[str, Any]) -> str:
    characters = report["sets"] * report["lanes"] * report["row"]
    return text["intro"].format(characters=characters, **report)


def parts() -> dict[Path, str]:
    """The files with the parts of the page."""
    reports = fullest("chunks")
    return {DOCS / f"chunks.{language}.md": part(reports, language) for language in TEXTS}


def measured(arguments: argparse.Namespace, way: str) -> dict[str, Any]:
    """What a process of its own measures."""
    steps, recompute = WAYS[way]
    script = Path(__file__).with_name("_chunk_run.py")
    given = (arguments.data, steps, recompute, arguments.sets, arguments.epochs)
    command = [sys.executable, script, *map(str, given)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {"date": today(), **json.loads(done.stdout.splitlines()[-1])}


def measure(arguments: argparse.Namespace) -> None:
    """Measures, prints and saves one way after the other."""
    os.environ["KERAS_BACKEND"] = arguments.backend
    if arguments.backend == "tensorflow":
        os.environ.update(WITHOUT_ONEDNN)
    path = arguments.out or results_file("chunks", arguments.backend)
    report = load_or_start(path, arguments.backend)
    shape = {"units": UNITS, "row": ROW, "lanes": LANES}
    shape |= {"sets": arguments.sets, "epochs": arguments.epochs}
    if report["cells"] and any(report.get(name) != value for name, value in shape.items()):
        sys.exit(f"{path} has results of another text: remove it, or write elsewhere with --out.")
    report |= shape
    for way in arguments.ways:
        if way in report["cells"] and not arguments.again:
            continue
        report["cells"][way] = measured(arguments, way)
        save(path, report)
        print(way, json.dumps(report["cells"][way]), flush=True)
    if path.is_relative_to(RESULTS):
        write_or_check(parts(), check=False)


def main() -> None:
    """Measures, or checks the parts of the page."""
    arguments = parse()
    if arguments.check:
        write_or_check(parts(), check=True)
    else:
        measure(arguments)


if __name__ == "__main__":
    main()
