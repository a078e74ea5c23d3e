"""Downloads from a server on this machine: right, wrong, and not there."""

import gc
import hashlib
import http.server
import json
import shutil
import socket
import threading

import pytest

from keras_rnnkit.data import (
    DownloadError,
    Vocabulary,
    corpus,
    load_imdb,
    load_imdb_sequences,
    vocabulary,
)

from .conftest import write_imdb

pytestmark = pytest.mark.no_backend

INDEX = {"the": 1, "film": 2, "good": 3}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Says nothing."""


@pytest.fixture
def server(tmp_path):
    """Serves a folder on the loopback interface; yields its URL and the folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    def handler(*arguments):
        return QuietHandler(*arguments, directory=str(folder))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", folder
        running.shutdown()
        thread.join()


def point_to(monkeypatch, url, reviews=None, index=None):
    """Points both official files to `url`, with the checksums of the files given."""
    for module, name, algorithm, file in (
        (corpus, "IMDB_REVIEWS", "sha256", reviews),
        (vocabulary, "IMDB_WORD_INDEX", "md5", index),
    ):
        remote = getattr(module, name)
        digest = hashlib.new(algorithm, file.read_bytes()).hexdigest() if file else remote.digest
        changed = remote._replace(origin=url + remote.name, digest=digest)
        monkeypatch.setattr(module, name, changed)


def test_the_reviews_are_downloaded_once_and_checked(server, monkeypatch, own_keras_home):
    url, folder = server
    served = write_imdb(folder / "imdb.npz")
    point_to(monkeypatch, url, reviews=served)
    data = load_imdb()
    assert (own_keras_home / "datasets" / "imdb.npz").read_bytes() == served.read_bytes()
    served.unlink()  # from here on only the copy can answer
    assert (load_imdb().train.x == data.train.x).all()
    assert len(load_imdb_sequences()[0][0]) == 50


def test_the_word_index_is_downloaded(server, monkeypatch):
    url, folder = server
    served = folder / "imdb_word_index.json"
    served.write_text(json.dumps(INDEX))
    point_to(monkeypatch, url, index=served)
    assert Vocabulary.imdb().words == ("the", "film", "good")


def expect_help(load, name, url, digest):
    with pytest.raises(DownloadError) as caught:
        load()
    assert isinstance(caught.value, OSError)
    for part in (f"{name} cannot be downloaded", f"{url}{name}", digest, "path="):
        assert part in str(caught.value)
    assert str(caught.value).endswith("Received: path=None")


LOADERS = {
    "imdb.npz": (load_imdb, "69664113be75683a"),
    "imdb_word_index.json": (Vocabulary.imdb, "bfafd718b763782e"),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_wrong_checksum_is_refused(server, monkeypatch, name):
    url, folder = server
    (folder / name).write_text("something else")
    point_to(monkeypatch, url)
    load, digest = LOADERS[name]
    expect_help(load, name, url, digest)
    expect_help(load, name, url, digest)  # what came the first time is not believed the second


# Keras leaves the response of a 404 open; it is collected here, not in the midst of another test.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_file_says_what_to_fetch(server, monkeypatch, name):
    url, _ = server
    point_to(monkeypatch, url)
    load, digest = LOADERS[name]
    expect_help(load, name, url, digest)
    gc.collect()


@pytest.mark.parametrize("name", LOADERS)
def test_no_network_says_what_to_fetch(monkeypatch, name):
    with socket.socket() as unused:  # bound and not listening: refuses every connection
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        point_to(monkeypatch, url)
        load, digest = LOADERS[name]
        expect_help(load, name, url, digest)


def test_a_path_downloads_nothing(monkeypatch, small_file, tmp_path):
    def fail(*arguments):
        raise AssertionError("asked for a download")

    monkeypatch.setattr(corpus, "fetch", fail)
    monkeypatch.setattr(vocabulary, "fetch", fail)
    index = tmp_path / "index.json"
    index.write_text(json.dumps(INDEX))
    assert len(load_imdb(path=str(small_file)).test.x) == 50
    assert "film" in Vocabulary.imdb(path=index)


def test_the_official_file_put_in_the_cache_by_hand_is_used(
    monkeypatch, own_keras_home, small_file
):
    point_to(monkeypatch, "http://127.0.0.1:9/", reviews=small_file)
    (own_keras_home / "datasets").mkdir()
    shutil.copy(small_file, own_keras_home / "datasets" / "imdb.npz")
    assert len(load_imdb().test.x) == 50
