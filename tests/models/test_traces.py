"""`Traces`: a read-only mapping that is saved, loaded, tabulated and shown."""

import io
import json
import zipfile

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models.origins import origin_of
from keras_rnnkit.models.traces import flat_traces

L = keras.layers


@pytest.fixture(scope="module")
def traces():
    inputs = keras.Input((5, 2))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True), name="both")(inputs)
    x = kit.StackedRNN([3, 2], cell="gru", return_sequences=True, name="stack")(x)
    x = L.RNN([L.LSTMCell(2), L.SimpleRNNCell(3)], return_sequences=True, name="cells")(x)
    x = kit.RNN(kit.Zoneout(kit.GRUCell(2), 0.25), name="zoned")(x)
    model = keras.Model(inputs, [x, {"sum": L.Dense(1)(x)}])
    return kit.trace(model, np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32"))


def test_a_file_gives_everything_back(traces, tmp_path):
    traces.save(tmp_path / "traces.npz")
    loaded = kit.Traces.load(tmp_path / "traces.npz")
    assert list(loaded) == list(traces)
    for (name, a), (other, b) in zip(flat_traces(loaded), flat_traces(traces), strict=True):
        assert (name, a._fields) == (other, b._fields)
        assert a.origin._replace(initial_states=()) == b.origin._replace(initial_states=())
        np.testing.assert_array_equal(a.origin.initial_states, b.origin.initial_states)
        assert isinstance(b, type(b).__mro__[1])
        assert isinstance(a, type(b).__mro__[1])
        for field in a._fields:
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    found, want = keras.tree.flatten(loaded.outputs), keras.tree.flatten(traces.outputs)
    for a, b in zip(found, want, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_programs_can_read_the_file(traces, tmp_path):
    traces.save(tmp_path / "traces.npz")
    with np.load(tmp_path / "traces.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["both.forward.forget"], traces["both"].forward.forget)


def test_a_file_is_replaced_on_request_alone(traces, tmp_path):
    path = tmp_path / "traces.npz"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        traces.save(path)
    assert path.read_text() == "mine"
    traces.save(path, overwrite=True)
    assert list(kit.Traces.load(path)) == list(traces)
    with pytest.raises(ValueError, match=r"must end in '.npz'"):
        traces.save(tmp_path / "traces.txt")


def rewritten(content, change):
    """An archive with the parts of another one, after a change; its check sums are right."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            part = change(name, old.read(name))
            if part is not None:
                new.writestr(name, part)
    return target.getvalue()


def with_another_value(name, part):
    return part[:-4] + b"\0\0\0\0" if name == "zoned.update.npy" else part


def with_an_evil_name(name, part):
    if name != "layout.npy":
        return part
    layout = np.load(io.BytesIO(part)).tobytes().replace(b'"GRUTrace"', b'"__init__"')
    target = io.BytesIO()
    np.save(target, np.frombuffer(layout, np.uint8))
    return target.getvalue()


def with_a_pickle(name, part):
    if name != "zoned.update.npy":
        return part
    target = io.BytesIO()
    np.save(target, np.array([print], dtype=object), allow_pickle=True)
    return target.getvalue()


def without_a_part(name, part):
    return None if name == "zoned.update.npy" else part


BROKEN = {
    "torn": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a bit flipped": lambda content: content[:2000] + bytes([content[2000] ^ 1]) + content[2001:],
    "another value": lambda content: rewritten(content, with_another_value),
    "another type": lambda content: rewritten(content, with_an_evil_name),
    "a pickle": lambda content: rewritten(content, with_a_pickle),
    "a part missing": lambda content: rewritten(content, without_a_part),
    "not an archive": lambda content: b"traces",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_changed_or_torn_file_is_refused(how, traces, tmp_path):
    path = tmp_path / "traces.npz"
    traces.save(path)
    path.write_bytes(BROKEN[how](path.read_bytes()))
    with pytest.raises(ValueError, match="complete and unchanged"):
        kit.Traces.load(path)


def test_an_archive_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, layout=np.frombuffer(json.dumps({"layout": {}}).encode(), np.uint8))
    with pytest.raises(ValueError, match=r"that `Traces.save` wrote"):
        kit.Traces.load(path)
    np.savez_compressed(path, layout=np.zeros(10**6, np.uint8))
    with pytest.raises(ValueError, match=r"that `Traces.save` wrote"):
        kit.Traces.load(path)
    with pytest.raises(FileNotFoundError):
        kit.Traces.load(tmp_path / "none.npz")


def test_traces_are_read_only(traces):
    with pytest.raises(TypeError):
        traces["both"] = 1
    with pytest.raises(KeyError, match=r"'both', 'stack', 'cells', 'zoned'. Received: key='lstm'"):
        traces["lstm"]


def test_a_table_has_a_row_for_each_step(traces):
    pytest.importorskip("pandas")
    frame = traces.to_pandas()
    assert frame.shape[0] == 4 * 5
    found = frame["both.forward"]["forget"].to_numpy().reshape(4, 5, 3)
    np.testing.assert_array_equal(found, traces["both"].forward.forget)
    assert frame.index.names == ["row", "step"]


def test_a_notebook_shows_every_layer(traces):
    html = traces._repr_html_()
    for name in ("both.forward", "both.backward", "stack.rnn_0", "cells.1", "zoned"):
        assert name in html


def test_a_name_cannot_break_out_of_the_table(traces):
    named = kit.Traces({"<script>": traces["zoned"]}, traces.outputs, ["<b>"])
    html = named._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html


def test_a_bare_trace_has_no_origin(traces):
    assert origin_of(traces["zoned"]).zoneout == (0.25,)
    bare = kit.GRU(2).trace(np.ones((1, 3, 2), "float32"))
    with pytest.raises(ValueError, match=r"from `return_gates` or `layer.trace`"):
        origin_of(bare)
    with pytest.raises(TypeError, match=r"Received: trace=int"):
        origin_of(3)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_saved_exactly(dtype, tmp_path):
    model = keras.Sequential([keras.Input((5, 2)), L.LSTM(3, name="lstm", dtype=dtype)])
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    want = kit.trace(model, x)
    want.save(tmp_path / "traces.npz")
    found = kit.Traces.load(tmp_path / "traces.npz")
    assert found["lstm"].forget.dtype.name == dtype.removeprefix("mixed_")
    for field in want["lstm"]._fields:
        a, b = getattr(found["lstm"], field), getattr(want["lstm"], field)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert found.outputs.dtype == want.outputs.dtype
    np.testing.assert_array_equal(found.outputs, want.outputs)
    states = [np.asarray(one.origin.initial_states) for one in (found["lstm"], want["lstm"])]
    np.testing.assert_array_equal(*states)


def test_names_that_would_be_one_in_a_file_are_refused(traces, tmp_path):
    collided = kit.Traces({**traces, "both.forward": traces["zoned"]}, traces.outputs)
    with pytest.raises(ValueError, match=r"two parts with the name='both.forward'"):
        collided.save(tmp_path / "traces.npz")
    assert repr(collided).count("both.forward: ") == 2
    assert collided._repr_html_().count("<td>both.forward</td>") == 2


@pytest.fixture(scope="module")
def nested():
    words = keras.Sequential(
        [
            keras.Input((4, 2)),
            L.Bidirectional(L.GRU(3, return_sequences=True), name="both"),
            L.RNN([L.LSTMCell(2), L.GRUCell(2)], name="cells"),
        ]
    )
    inputs = keras.Input((3, 4, 2))
    x = L.TimeDistributed(words, name="sentences")(inputs)
    model = keras.Model(inputs, L.LSTM(2, name="document")(x))
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype("float32")
    return kit.trace(model, x), model, words, x


def test_one_outer_step_of_time_distributed(nested):
    traces, _, words, x = nested
    found, want = traces.outer_step(-1), kit.trace(words, x[:, 2])
    assert list(found) == ["sentences"]
    for (_, a), (_, b) in zip(flat_traces(found["sentences"]), flat_traces(want), strict=True):
        assert a.origin._replace(initial_states=()) == b.origin._replace(initial_states=())
        for i, state in enumerate(b.origin.initial_states):
            np.testing.assert_array_equal(a.origin.initial_states[i], state)
        for field in a._fields:
            np.testing.assert_allclose(getattr(a, field), getattr(b, field), atol=1e-6)
    for step in (3, -4, True, "0"):
        with pytest.raises(ValueError, match=rf"'sentences'.*Received: step={step!r}"):
            traces.outer_step(step)


def test_a_plot_or_page_of_time_distributed_says_how_to_take_a_step(nested, tmp_path):
    traces = nested[0]
    with pytest.raises(ValueError, match=r"traces.outer_step\(0\)"):
        kit.plots.gates(traces["sentences"]["both"])
    with pytest.raises(ValueError, match=r"traces.outer_step\(0\)"):
        kit.plots.explore(traces, None, tmp_path / "page.html")
    one = traces.outer_step(1)
    kit.plots.gates(one["sentences"]["both"])
    kit.plots.explore(one, ["a", "fine", "old", "film"], tmp_path / "page.html")
    assert b"film" in (tmp_path / "page.html").read_bytes()


def test_traces_without_time_distributed_have_no_outer_step(traces):
    with pytest.raises(ValueError, match=r"Received: layers=\['both', 'stack'"):
        traces.outer_step(0)
