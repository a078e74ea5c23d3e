"""Ten thousand files with faults at random places: each loads whole, or is refused in words."""

import io
import json
import pickle
import zipfile
import zlib

import numpy as np
import pytest

from keras_rnnkit.data.caching import load_cache, save_cache
from keras_rnnkit.data.reading import parse_corpus, read_source
from keras_rnnkit.data.word_index import read_index

from .bounds import load_or_refuse
from .conftest import ragged, random_reviews, write_imdb
from .test_reading import as_member

pytestmark = pytest.mark.no_backend

FILES = 2500  # of each of four kinds
DIGEST = "0" * 64
# What means something to a reader: instructions of pickles, signs of JSON, sizes of zips.
TELLING = [
    *(bytes([code]) for code in b'(]eaqrhj.tb0123RcXBUCKMJIN}{[":,\x80\x85\x86\x87\x88\x89\x8a'),
    *(bytes([code]) for code in b"\x8b\x8c\x8e\x93\x94\x95\x96"),
    *(b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"r\xff\xff\xff\xff", b"2\x86" * 30),
    *(b"cos\nsystem\n", b"PK\x01\x02", b"PK\x05\x06", b"1e999", b"[" * 2000, b"\\ud800", b"-1"),
]


def mutated(generator, content):
    """The bytes with one to four faults: flipped, cut out, put in, or doubled."""
    content = bytearray(content)
    for _ in range(generator.integers(1, 5)):
        at, kind = int(generator.integers(len(content) + 1)), int(generator.integers(5))
        length = int(generator.integers(1, 40))
        if kind == 0 and at < len(content):
            content[at] ^= 1 << int(generator.integers(8))
        elif kind == 1:
            del content[at : at + length]
        elif kind == 2:
            content[at:at] = content[at : at + length] * int(generator.integers(1, 200))
        else:
            piece = TELLING[generator.integers(len(TELLING))]
            content[at : at + (len(piece) if kind == 3 else 0)] = piece
    return bytes(content)


def zips(generator, folder):
    """Files whose zip is torn or changed."""
    good = write_imdb(folder / "good.npz", count=5).read_bytes()
    while True:
        yield mutated(generator, good)


def pickles(generator, folder):
    """Files whose zip is right, and an array in it is not."""
    reviews = ragged(random_reviews(generator, 5))
    labels = io.BytesIO()
    np.save(labels, np.arange(5) % 2)
    members = [as_member(pickle.dumps(reviews, protocol=p), 5) for p in (2, 3, 4, 5)]
    while True:
        x, y = members[generator.integers(4)], labels.getvalue()
        wrong = (
            (mutated(generator, x), y) if generator.random() < 0.8 else (x, mutated(generator, y))
        )
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for key, member in zip(("x_train", "y_train"), wrong, strict=True):
                archive.writestr(f"{key}.npy", member)
            archive.writestr("x_test.npy", x)
            archive.writestr("y_test.npy", y)
        yield stream.getvalue()


def caches(generator, folder):
    """Caches of the right source with a right checksum, and wrong arrays or counts."""
    source = write_imdb(folder / "good.npz", count=5)
    save_cache(folder / "good.flat", DIGEST, parse_corpus(source.read_bytes(), source))
    line, payload = (folder / "good.flat").read_bytes().split(b"\n", 1)
    while True:
        wrong = mutated(generator, payload) if generator.random() < 0.8 else payload
        header = json.loads(line) | {"crc32": zlib.crc32(wrong)}
        if generator.random() < 0.5:
            counts = header["counts"]
            counts[generator.integers(6)] += int(generator.choice([-1, 1, 2**40, -(2**40)]))
        written = json.dumps(header).encode()
        if generator.random() < 0.2:
            written = mutated(generator, written).replace(b"\n", b"")
        yield written + b"\n" + wrong


def indexes(generator, folder):
    words = {f"word{rank}" if rank % 3 else f"w\U0001f600{rank}": rank for rank in range(1, 40)}
    while True:
        yield mutated(generator, json.dumps(words).encode())


def read_reviews(path):
    corpus = parse_corpus(read_source(path), path)
    assert corpus.train.invalid() is None and corpus.test.invalid() is None
    return corpus


def read_cache(path):
    corpus = load_cache(path, DIGEST)
    assert corpus is None or (corpus.train.invalid() is None and corpus.test.invalid() is None)
    return corpus or "no cache"


def read_words(path):
    words = read_index(path)
    assert [rank for _, rank in words] == sorted({rank for _, rank in words})
    assert all(word.encode() is not None and rank > 0 for word, rank in words)
    return words


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Python's parser, about odd headers
@pytest.mark.parametrize(
    ("make", "read"),
    [(zips, read_reviews), (pickles, read_reviews), (caches, read_cache), (indexes, read_words)],
    ids=["zips", "pickles", "caches", "indexes"],
)
def test_files_with_faults_are_loaded_whole_or_refused_in_words(tmp_path, make, read):
    file = tmp_path / "fuzzed"
    contents = make(np.random.default_rng(17), tmp_path)
    refused = 0
    for _ in range(FILES):
        file.write_bytes(next(contents))
        result = load_or_refuse(lambda: read(file))
        if isinstance(result, str):
            refused += 1
            assert result == "no cache" or (str(file) in result and len(result) < 2000)
    assert 0.3 * FILES < refused < FILES
