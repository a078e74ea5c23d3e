"""Files for the tests of `keras_rnnkit.data`: small ones made here, real ones where they are."""

from pathlib import Path

import numpy as np
import pytest

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def real_file():
    """Returns the path of a real data file, or skips."""

    def find(name):
        path = REAL_DATA / name
        if not path.is_file():
            pytest.skip(f"{name} is not in {REAL_DATA}")
        return path

    return find


def ragged(lists):
    """Returns an object array of lists, as Keras' file holds them."""
    array = np.empty(len(lists), dtype=object)
    array[:] = lists
    return array


def random_reviews(generator, count, highest=40):
    lengths = generator.integers(2, 30, count)
    return [generator.integers(1, highest, length).tolist() for length in lengths]


def write_imdb(path, count=50, seed=0, **replaced):
    """Writes a small file of Keras' format; `replaced` puts other arrays in, or takes them out."""
    generator = np.random.default_rng(seed)
    arrays = {
        "x_train": ragged(random_reviews(generator, count)),
        "y_train": generator.integers(0, 2, count),
        "x_test": ragged(random_reviews(generator, count)),
        "y_test": generator.integers(0, 2, count),
    } | replaced
    np.savez_compressed(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.fixture
def small_file(tmp_path):
    return write_imdb(tmp_path / "imdb.npz")


@pytest.fixture(autouse=True)
def own_keras_home(tmp_path_factory, monkeypatch):
    """Keeps every test away from the user's Keras cache."""
    home = tmp_path_factory.mktemp("keras_home")
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home
