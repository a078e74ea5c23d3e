"""What `attribute` returns: it sorts, prints, and is saved and loaded."""

import json

import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.attributed import STEPS, ids, text_model

TOKENS = [[f"word{row}{step}" for step in range(STEPS)] for row in range(4)]


@pytest.fixture(scope="module")
def found():
    return kit.attribute(text_model(kit.LSTM), ids(), method="cells", tokens=TOKENS)


@pytest.fixture(scope="module")
def phrases():
    options = {"method": "contextual", "spans": [(0, 2), (3, 6)], "tokens": TOKENS}
    return kit.attribute(text_model(kit.LSTM), ids(), **options)


def test_the_largest_scores_come_first(found):
    for row in range(4):
        top = found.top(STEPS, row)
        assert len(top) == found.mask[row].sum() == (ids()[row] != 0).sum()
        assert [one.score for one in top] == sorted((s.score for s in top), key=abs, reverse=True)
        for position, token, score in top:
            assert token == TOKENS[row][position]
            assert score == found.scores[row, position]
    assert len(found.top(2)) == 2
    assert [one.position for one in found._replace(tokens=None).top(2)] == [
        one.position for one in found.top(2)
    ]
    assert found._replace(tokens=None).top(1)[0].token is None


def test_phrases_have_their_words(phrases):
    words = {one.position: one.token for one in phrases.top()}
    assert words == {(0, 2): "word00 word01", (3, 6): "word03 word04 word05"}


@pytest.mark.parametrize("wrong", [{"k": -1}, {"row": 4}, {"row": -1}, {"k": 1.5}])
def test_numbers_that_do_not_exist(found, wrong):
    with pytest.raises(ValueError, match="must be an integer"):
        found.top(**wrong)


def test_it_prints_its_first_rows(found, phrases):
    lines = repr(found).splitlines()
    assert lines[0] == "Attribution of 4 rows, 6 words, by 'cells' of the logit"
    word = found.top(1, 1)[0]
    assert f"'{word.token}' {word.score:+.3g}" in lines[2]
    assert "gap" in lines[1]
    assert "2 phrases, by 'contextual'" in repr(phrases)


def test_one_row_takes_its_words_as_a_list():
    model, words = text_model(kit.LSTM), TOKENS[0]
    assert kit.attribute(model, ids()[:1], method="cells", tokens=words).tokens == [words]
    lists = ids().tolist()
    assert kit.attribute(model, lists, method="cells").scores.shape == (4, 6)


@pytest.mark.parametrize("name", ["found", "phrases"])
def test_it_is_plotted_with_its_words(name, request):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    figure = request.getfixturevalue(name).plot(sample=0)
    shown = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "word00" in shown


@pytest.mark.parametrize("name", ["found", "phrases"])
def test_saved_and_loaded(name, request, tmp_path):
    one = request.getfixturevalue(name)
    path = tmp_path / "words.npz"
    one.save(path)
    again = kit.Attribution.load(path)
    assert again._fields == one._fields
    for field, value in one._asdict().items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(again, field), value)
            assert getattr(again, field).dtype == value.dtype
        else:
            assert getattr(again, field) == value
    with pytest.raises(FileExistsError, match="overwrite=True"):
        one.save(path)
    one.save(path, overwrite=True)


def test_files_of_others_and_broken_ones_are_refused(found, tmp_path):
    path = tmp_path / "words.npz"
    found.save(path)
    content = path.read_bytes()
    arrays = dict(np.load(path))
    head = json.loads(arrays["attribution"].tobytes())
    head["layout"]["method"] = "occlusion"
    changed = np.frombuffer(json.dumps(head).encode(), np.uint8)
    np.savez(tmp_path / "a.npz", **{**arrays, "attribution": changed})
    np.savez(tmp_path / "b.npz", **{**arrays, "scores": arrays["scores"] + 1})
    np.savez(tmp_path / "c.npz", scores=arrays["scores"])
    np.savez_compressed(tmp_path / "d.npz", **arrays)
    np.savez(tmp_path / "e.npz", **{**arrays, "scores": np.array([None], object)})
    (tmp_path / "f.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "g.npz").write_bytes(b"")
    for name in "abcdefg":
        with pytest.raises(ValueError, match="complete and unchanged"):
            kit.Attribution.load(tmp_path / f"{name}.npz")
    with pytest.raises(FileNotFoundError):
        kit.Attribution.load(tmp_path / "none.npz")
