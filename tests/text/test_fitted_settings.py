"""A fitted classifier keeps the settings of its fit, and trusts no number in a file."""

import copy
import json

import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.data import DataFileError
from keras_rnnkit.text import _settings
from keras_rnnkit.text._lengths import padded_lengths

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

LONG = "the plot was not dull and " * 8 + "the cast was wonderful"


def test_other_arguments_after_the_fit_change_no_prediction(fitted, reviews, tmp_path):
    texts = [LONG, *reviews[2][:5]]
    expected = fitted.predict_proba(texts)
    words = fitted.explain(LONG).words
    changed = copy.copy(fitted)
    changed.set_params(maxlen=3, tokenizer="imdb", max_words=5, lengths=4, units=[2])
    assert changed.maxlen_ == fitted.maxlen
    assert np.array_equal(changed.predict_proba(texts), expected)
    assert [w.token for w in changed.explain(LONG).words] == [w.token for w in words]
    changed.save(tmp_path / "changed")
    loaded = kit.TextClassifier.load(tmp_path / "changed")
    assert (loaded.maxlen, loaded.maxlen_) == (3, fitted.maxlen)
    np.testing.assert_allclose(loaded.predict_proba(texts), expected, atol=1e-6)


def forged(folder, **changes):
    """Write the settings anew with other values, and with the SHA-256 that fits them."""
    file = folder / "settings.json"
    content = {**json.loads(file.read_text()), **changes}
    content.pop("sha256")
    file.write_text(_settings.as_text(content))


@pytest.mark.parametrize(
    "changes",
    [
        {"lengths": [2**20]},  # above maxlen
        {"lengths": [2**40], "maxlen": None},
        {"lengths": [2**40], "maxlen": 2**40},
        {"lengths": [True]},
        {"lengths": [20, 10]},
        {"maxlen": 1},
        {"maxlen": "20"},
        {"maxlen": 2.5},
    ],
    ids=repr,
)
def test_forged_lengths_are_refused(fitted, tmp_path, changes):
    fitted.save(tmp_path / "saved")
    forged(tmp_path / "saved", **changes)
    with pytest.raises(DataFileError, match=r"settings\.json"):
        kit.TextClassifier.load(tmp_path / "saved")


def test_a_huge_length_allocates_no_more_than_the_texts_need(fitted, tmp_path):
    fitted.save(tmp_path / "saved")
    forged(tmp_path / "saved", lengths=[20, 2**31 - 1], maxlen=None)
    loaded = kit.TextClassifier.load(tmp_path / "saved")
    texts = ["a dull film", LONG]
    found = loaded.predict_proba(texts)  # the second text reads to its end
    np.testing.assert_allclose(found[0], fitted.predict_proba(texts)[0], atol=1e-5)
    assert len(loaded.explain(LONG).words) > 20


def test_the_lengths_of_the_fit_are_used_as_they_are():
    assert padded_lengths([10, 400], 5) == [10, 400]
    assert padded_lengths([10, 400], 500) == [10, 400, 500]
    assert padded_lengths([10, 9_000], 6_000) == [10, 6_000]
    assert padded_lengths([10, 9_000], 5) == [10, 4096]
    assert padded_lengths([9_000, 10_000], 5) == [4096]
    assert padded_lengths([9_000], 10_000) == [9_000, 10_000]
