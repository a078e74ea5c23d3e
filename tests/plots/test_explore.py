"""The page to explore: its data, what it may do, and what is refused."""

import base64
import hashlib
import json
import re
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from keras_rnnkit import plots

pytestmark = pytest.mark.no_backend

WORDS = ["a", "truly", "</script><b>&\"'", "<!--", "\u2028", "😀"]
TIME, UNITS = len(WORDS), 3


class LSTMLike(NamedTuple):
    input: Any
    forget: Any
    candidate: Any
    output: Any
    hidden: Any
    cell: Any
    mask: Any


class BothLike(NamedTuple):
    forward: Any
    backward: Any


def lstm(time=TIME, units=UNITS, batch=2, mask=None, **changes):
    rng = np.random.default_rng(0)
    lows = {"input": 0, "forget": 0, "candidate": -1, "output": 0, "hidden": -1, "cell": -4}
    fields = {
        name: rng.uniform(low, -low or 1, (batch, time, units)).astype("float32")
        for name, low in lows.items()
    }
    return LSTMLike(**fields | changes, mask=mask)


class Scores(NamedTuple):
    scores: Any


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "review.html"


def data_of(path):
    """What the script of the page reads."""
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.S
    )
    return json.loads(text)


def unpacked(packed):
    """An array as the page reads it, and half a step."""
    integers = np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(packed["shape"])
    return packed["low"] + packed["step"] * integers, packed["step"] / 2


def read(trace, path, tokens=None, **options):
    plots.explore(trace, tokens, path, **options)
    return data_of(path)["samples"]


def test_it_returns_the_path_and_makes_folders(path):
    assert plots.explore(lstm(), WORDS, str(path)) == path
    assert path.read_bytes().startswith(b"<!DOCTYPE html>\n<html lang=")


def test_every_value_is_that_of_the_trace_within_half_a_step(path):
    trace = lstm(cell=np.random.default_rng(1).normal(size=(2, TIME, UNITS)) * 1e6)
    (shown,) = read(trace, path, sample=1)
    fields = shown["layers"][0]["fields"]
    assert {field["name"] for field in fields} == set(trace._fields[:-1])
    for field in fields:
        expected = getattr(trace, field["name"])[1].astype("float64")
        values, bound = unpacked(field)
        assert bound <= np.ptp(expected) / 131_070 * (1 + 1e-9)
        assert np.abs(values - expected).max() <= bound * (1 + 1e-6)


def test_a_constant_field_is_exact(path):
    (shown,) = read(lstm(forget=np.full((2, TIME, UNITS), 0.3)), path)
    (forget,) = (f for f in shown["layers"][0]["fields"] if f["name"] == "forget")
    assert (unpacked(forget)[0] == 0.3).all()


def test_200_words_and_64_units_take_less_than_a_megabyte(path):
    rng = np.random.default_rng(0)
    influence, scores = rng.uniform(size=(200, 200)), rng.normal(size=(1, 200))
    plots.explore(lstm(200, 64, 1), ["word"] * 200, path, influence=influence, attribution=scores)
    assert path.stat().st_size < 500_000


def test_tokens_come_back_and_none_ends_the_data_or_is_html(path):
    (shown,) = read(lstm(), path, WORDS)
    assert shown["tokens"] == WORDS
    text = path.read_text("utf-8")
    data = text[text.index('id="data">') : text.index("</script>", text.index('id="data">'))]
    assert data.isascii()
    assert not set("<>&\u2028") & set(data.removeprefix('id="data">'))
    assert len(re.findall(r"</?script", text)) == 4


def test_the_title_is_escaped(path):
    plots.explore(lstm(), WORDS, path, title="<b>&\"' $style 한국어")
    assert "<title>&lt;b&gt;&amp;&quot;&#x27; $style 한국어</title>" in path.read_text("utf-8")


def test_the_policy_allows_the_style_and_the_script_of_the_page_alone(path):
    plots.explore(lstm(), WORDS, path)
    text = path.read_text("utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    parts = {"style-src": r"<style>(.*?)</style>", "script-src": r"<script>(.*?)</script>"}
    assert set(rules) == set(parts)
    for rule, part in parts.items():
        (content,) = re.findall(part, text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_the_page_names_no_address_and_sets_no_html(path):
    plots.explore(lstm(), None, path)
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]+\.|\burl\(|@import|\bsrc=", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text)


def test_masked_steps_are_left_out(path):
    mask = np.ones((2, TIME), bool)
    mask[0, [0, 3]] = False
    trace = lstm(mask=mask)
    scores, influence = np.arange(2.0 * TIME).reshape(2, TIME), np.zeros((2, TIME, TIME))
    influence[0, 4, 2] = 1
    (shown,) = read(trace, path, WORDS, attribution=Scores(scores), influence=influence)
    assert shown["steps"] == [1, 2, 4, 5]
    assert shown["tokens"] == [WORDS[step] for step in (1, 2, 4, 5)]
    hidden = next(f for f in shown["layers"][0]["fields"] if f["name"] == "hidden")
    np.testing.assert_allclose(unpacked(hidden)[0], trace.hidden[0, [1, 2, 4, 5]], atol=1e-4)
    np.testing.assert_allclose(unpacked(shown["attribution"])[0][:, 0], [1, 2, 4, 5], atol=1e-4)
    values = unpacked(shown["influence"])[0]
    assert values[2, 1] == 1 and values.sum() == 1


def test_an_influence_of_one_sequence_and_scores_as_an_array(path):
    influence = np.tril(np.random.default_rng(0).uniform(size=(TIME, TIME)))
    (shown,) = read(lstm(batch=1), path, influence=influence, attribution=influence[:1])
    np.testing.assert_allclose(unpacked(shown["influence"])[0], influence, atol=1e-5)
    assert not shown["attribution"]["signed"]


def test_layers_by_name_both_directions_and_a_stack(path):
    traces = {
        "first": BothLike(lstm(), lstm(units=5)),
        "stack": {"rnn_0": lstm()},
        "two": (lstm(), lstm()),
    }
    (shown,) = read(traces, path)
    assert [layer["title"] for layer in shown["layers"]] == [
        "first forward",
        "first backward",
        "stack rnn_0",
        "two cell 0",
        "two cell 1",
    ]
    assert shown["layers"][1]["key"] == '["first"].backward'
    assert shown["layers"][1]["fields"][0]["shape"] == [TIME, 5]


def test_several_samples(path):
    trace = lstm()
    first, last = read(trace, path, [WORDS, WORDS[::-1]], sample=[0, -1])
    assert (first["index"], last["index"]) == (0, 1)
    assert last["tokens"] == WORDS[::-1]
    values, bound = unpacked(last["layers"][0]["fields"][0])
    assert np.abs(values - trace.input[1]).max() <= bound * 1.01


@pytest.mark.parametrize(
    ("tokens", "direction"),
    [
        (["a", "truly", "fine", "film", "!", "1"], "ltr"),
        (["זה", "סרט", "(טוב", "film", "!", "😀"], "rtl"),
        (["فيلم", "رائع", "1", "2", "3", "4"], "rtl"),
        (["영화", "1", "2", "3", "4", "5"], "ltr"),
    ],
)
def test_the_direction_of_the_text(path, tokens, direction):
    assert read(lstm(), path, tokens)[0]["direction"] == direction


def test_it_needs_no_matplotlib(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plots.explore(lstm(), WORDS, path)
    assert path.exists()


def test_half_of_a_surrogate_pair(path):
    tokens = ["\ud800", *WORDS[1:]]
    plots.explore(lstm(), tokens, path, title="\ud800")
    assert data_of(path)["samples"][0]["tokens"] == tokens


def test_a_file_is_replaced_or_on_request_kept(path):
    plots.explore(lstm(), WORDS, path)
    plots.explore(lstm(), WORDS, path, title="new")
    content = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"exist.*Received: overwrite=False$"):
        plots.explore(lstm(), WORDS, path, title="newer", overwrite=False)
    assert path.read_bytes() == content
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"path": "review.png"}, ValueError, r"`path` must end in '.html'.*Received: path='re"),
        ({"tokens": ["a"]}, ValueError, r"`tokens` must be a list of 6 .*len\(tokens\)=1$"),
        ({"tokens": "abcdef"}, ValueError, r"`tokens` must .*type\(tokens\)=str"),
        ({"sample": 2}, IndexError, r"`sample` must be between 0 and 1.*Received: sample=2$"),
        ({"sample": "a"}, TypeError, r"`sample` must be an integer.*Received: sample='a'$"),
        ({"sample": []}, ValueError, r"`sample` must be .*Received: sample=\[\]$"),
        ({"sample": [0, 1], "tokens": [WORDS]}, ValueError, r"2 lists of strings.*=1$"),
        ({"traces": [np.ones(3)]}, TypeError, r"`traces` must be a trace .*Received: "),
        ({"traces": lstm(forget=np.nan * np.ones((2, 6, 3)))}, ValueError, r"finite.*sample=0$"),
        ({"traces": lstm(mask=np.zeros((2, 6)))}, ValueError, r"not masked.*Received: sample=0$"),
        ({"attribution": np.ones(6)}, ValueError, r"`attribution` must have .*shape=\(6,\)$"),
        ({"attribution": np.ones((2, 5))}, ValueError, r"`attribution` .*6 steps.*=\(5,\)$"),
        ({"attribution": np.ones((0, 6))}, ValueError, r"a row for each.*shape=\(0, 6\)$"),
        ({"attribution": Scores(np.ones(6))}, ValueError, r"attribution\.scores\.shape=\(6,\)$"),
        ({"attribution": np.full((2, 6), np.nan)}, ValueError, r"finite.*Received: attribution"),
        ({"influence": np.ones(6)}, ValueError, r"\(time, time\) or .*Received: influence"),
        ({"influence": np.ones((2, 6, 5))}, ValueError, r"6 steps.*Received: .*\(6, 5\)$"),
        ({"influence": np.ones((2, 6, 6, 3))}, ValueError, r"influence.shape=\(2, 6, 6, 3\)$"),
        ({"influence": np.full((6, 6), np.inf)}, ValueError, r"`influence` must be finite"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else None,
)
def test_what_is_wrong_is_named_before_a_file_is_made(path, changes, error, message):
    arguments = {"traces": lstm(), "tokens": WORDS, "path": path} | changes
    if isinstance(arguments["path"], str):
        arguments["path"] = str(path.with_name(arguments["path"]))
        message = message.replace("path='re", "path='.*re")
    with pytest.raises(error, match=f"(?s){message}"):
        plots.explore(**arguments)
    assert not path.parent.exists()
