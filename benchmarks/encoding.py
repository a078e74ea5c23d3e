"""Encodes the 50,000 raw IMDB reviews, compares every id with the data set, and takes the time.

    python benchmarks/encoding.py --data FOLDER

FOLDER has `aclImdb_labelled.tar.gz`, `imdb_word_index.json` and `imdb.npz`. The raw reviews, train
and test, positive then negative, files sorted by name, must encode to the numbers of `imdb.npz`,
word for word. One core encodes; the files are read and checked outside the time. A vocabulary that
is fitted on the training texts is timed beside it. With `--check`, only the sentences for the docs
are compared with the results.
"""

import argparse
import os
import platform
import statistics
import sys
import tarfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from _results import load, machine, save, today, write_or_check

RESULT = Path(__file__).parent / "results" / "encoding.json"
DOCS = Path(__file__).parent.parent / "docs" / "results"
SENTENCES = {
    "en": "On one CPU core, the IMDB vocabulary encodes {imdb} of the raw IMDB reviews a minute, "
    "and a fitted one {fitted}; the ids of all {reviews} reviews are those of the data set.",
    "ko": "CPU 코어 하나로 IMDB 원문 리뷰를 1분에 IMDB 어휘로는 {imdb}개, 직접 만든 어휘로는 "
    "{fitted}개 인코딩합니다. IMDB 어휘로 인코딩한 리뷰 {reviews}개는 모두 데이터셋의 "
    "단어 번호와 일치합니다.",
}
TARGET = 100_000


def raw_reviews(archive_path: Path) -> list[list[str]]:
    """Returns the texts of the training and of the test reviews, in the order of the data set."""
    with tarfile.open(archive_path) as archive:
        raw = {
            member.name: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive
            if member.isfile()
        }
    names = sorted(raw)
    return [
        [raw[n] for label in ("pos", "neg") for n in names if n.startswith(f"{split}/{label}/")]
        for split in ("train", "test")
    ]


def rate(work: Callable[[], Any], texts: int, repeats: int) -> dict[str, float]:
    """Returns how many texts a minute are encoded: the median of the repeats, and both ends."""
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        rates.append(60 * texts / (time.perf_counter() - start))
    return {"median": statistics.median(rates), "min": min(rates), "max": max(rates)}


def different(vocabulary: Any, splits: list[list[str]], file: Path) -> int:
    """Returns the number of reviews whose ids are not those of the data set."""
    import numpy as np

    from keras_rnnkit.data.corpus import load_corpus

    count = 0
    for texts, reviews in zip(splits, load_corpus(file, False, None), strict=True):
        ranks = np.split(reviews.tokens, reviews.offsets[1:-1])
        for ids, expected in zip(vocabulary.encode_many(texts), ranks, strict=True):
            count += not np.array_equal(ids[1:] - vocabulary.index_from, expected[1:])
    return count


def measured(folder: Path, repeats: int) -> dict[str, Any]:
    """Returns the report; all work is done on one core."""
    from keras_rnnkit.data import Vocabulary

    here = machine()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    splits = raw_reviews(folder / "aclImdb_labelled.tar.gz")
    texts = [text for split in splits for text in split]
    imdb = Vocabulary.imdb(None, path=folder / "imdb_word_index.json")
    fitted = Vocabulary.fit(splits[0], max_words=20_000)
    return {
        "machine": here,
        "versions": {
            "python": platform.python_version(),
            **{name: import_module(name).__version__ for name in ("keras_rnnkit", "numpy")},
        },
        "date": today(),
        "reviews": len(texts),
        "words": sum(map(len, imdb.encode_many(texts))) - len(texts),
        "different": different(imdb, splits, folder / "imdb.npz"),
        "reviews_a_minute": {
            "imdb": rate(lambda: imdb.encode_many(texts), len(texts), repeats),
            "fitted": rate(lambda: fitted.encode_many(texts), len(texts), repeats),
            "fit": rate(lambda: Vocabulary.fit(splits[0], 20_000), len(splits[0]), repeats),
        },
    }


def sentence(report: dict[str, Any], language: str) -> str:
    """Returns what the docs say of a report."""
    rates = {
        name: f"{rounded(found['median']):,}" for name, found in report["reviews_a_minute"].items()
    }
    return SENTENCES[language].format(**rates, reviews=f"{report['reviews']:,}") + "\n"


def rounded(rate_: float) -> int:
    """Returns a rate with two digits, rounded down."""
    unit = 10 ** (len(str(int(rate_))) - 2)
    return int(rate_) // unit * unit


def sentences(report: dict[str, Any]) -> dict[Path, str]:
    """The files of the sentence, one for each language."""
    return {DOCS / f"encoding.{one}.md": sentence(report, one) for one in SENTENCES}


def main() -> None:
    """Measures and writes, or checks the sentences."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="the folder of the files")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if arguments.check:
        write_or_check(sentences(load(RESULT)), check=True)
        return
    if arguments.data is None:
        parser.error("--data is needed")
    report = measured(arguments.data, arguments.repeats)
    save(RESULT, report)
    write_or_check(sentences(report), check=False)
    print(*sentences(report).values(), sep="", end="")
    if report["different"] or report["reviews_a_minute"]["imdb"]["min"] < TARGET:
        sys.exit(f"{report['different']} reviews differ, or fewer than {TARGET:,} a minute.")


if __name__ == "__main__":
    main()
