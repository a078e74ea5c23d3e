"""The flat face of the package."""

import re
from pathlib import Path

import pytest

import keras_rnnkit as kit

NAMES_OF_0_1_0 = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "BidirectionalStates",
    "BidirectionalTrace",
    "CoupledLSTMCell",
    "ESNCell",
    "Embedding",
    "Explanation",
    "GRUCell",
    "GRUGates",
    "GRUTrace",
    "GatedCell",
    "LSTMCell",
    "LSTMGates",
    "LSTMTrace",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LayerNormSimpleRNNCell",
    "LearnedInitialState",
    "Masks",
    "MinGRU",
    "MinGRUCell",
    "MinGRUGates",
    "MinGRUTrace",
    "MinLSTM",
    "MinLSTMCell",
    "MinLSTMGates",
    "MinLSTMTrace",
    "NASCell",
    "NASGates",
    "NASTrace",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "SimpleRNNGates",
    "SimpleRNNTrace",
    "StackedRNN",
    "Stream",
    "TimeDistributed",
    "Zoneout",
    "__version__",
    "callbacks",
    "data",
    "explain",
    "from_keras",
    "merge_states",
    "plots",
    "reset_states",
    "stream",
    "data.DataFileError",
    "data.DownloadError",
    "data.ImdbData",
    "data.SampleData",
    "data.SampleReviews",
    "data.Split",
    "data.Vocabulary",
    "data.load_imdb",
    "data.load_imdb_sequences",
    "data.load_sample",
    "data.pad",
    "data.tokenize",
    "callbacks.chapter",
    "callbacks.standard",
    "plots.gates",
    "plots.history",
]

API = Path(__file__).resolve().parents[1] / "docs" / "api"


def test_the_public_names_are_there_and_documented():
    for module in (kit, kit.data, kit.callbacks, kit.initializers, kit.plots):
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert getattr(module, name).__doc__ or name == "__version__"


@pytest.mark.no_backend
@pytest.mark.parametrize("name", NAMES_OF_0_1_0)
def test_the_public_names_of_0_1_0_are_there(name):
    module = kit
    for part in name.split("."):
        assert part in module.__all__
        module = getattr(module, part)


def test_every_public_name_is_in_the_docs_and_nothing_else():
    pages = "\n".join(page.read_text("utf-8") for page in API.rglob("*.md"))
    documented = re.findall(r"^::: keras_rnnkit\.(\S+)$", pages, re.MULTILINE)
    rooms = {name: getattr(kit, name) for name in ("callbacks", "data", "initializers", "plots")}
    public = {name for name in kit.__all__ if name not in rooms and name != "__version__"}
    public |= {f"{room}.{name}" for room, module in rooms.items() for name in module.__all__}
    assert sorted(documented) == sorted(public)
    assert all((API / f"{room}.md").exists() for room in rooms)


def test_the_public_names_are_sorted():
    def order(name):
        return not name.isupper(), not name[0].isupper(), name

    for module in (kit, kit.data, kit.callbacks, kit.initializers, kit.plots):
        assert module.__all__ == sorted(module.__all__, key=order)


def test_a_missing_backend_is_named_with_its_extra(monkeypatch):
    from keras_rnnkit import _backend

    monkeypatch.setattr(_backend.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "keras-rnnkit[jax]"' in _backend.missing("jax")
    assert "keras-rnnkit[torch]" in _backend.missing("jax")
    monkeypatch.setattr(_backend.importlib.util, "find_spec", lambda name: name == "torch")
    assert "KERAS_BACKEND=torch" in _backend.missing("tensorflow")
