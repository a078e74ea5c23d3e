"""The flat face of the package."""

import keras_rnnkit as kit


def test_the_public_names_are_there_and_documented():
    for module in (kit, kit.data, kit.callbacks, kit.plots):
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert getattr(module, name).__doc__ or name == "__version__"


def test_a_missing_backend_is_named_with_its_extra(monkeypatch):
    from keras_rnnkit import _backend

    monkeypatch.setattr(_backend.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "keras-rnnkit[jax]"' in _backend.missing("jax")
    assert "keras-rnnkit[torch]" in _backend.missing("jax")
    monkeypatch.setattr(_backend.importlib.util, "find_spec", lambda name: name == "torch")
    assert "KERAS_BACKEND=torch" in _backend.missing("tensorflow")
