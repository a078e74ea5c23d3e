"""The examples do what the README says of them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _examples_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    yield
    for name in ("quickstart", "chapter_09_3", "installed_backend"):
        sys.modules.pop(name, None)


def test_quickstart_learns_prints_gates_and_draws_them(tmp_path, capsys):
    import quickstart

    quickstart.main(["--out", str(tmp_path / "gates.png")])
    printed = capsys.readouterr().out
    accuracy = float(printed.split("it has not seen: ")[1].split()[0])
    assert accuracy > 0.9
    assert "but ended" in printed
    table = printed.split("forget  output\n")[1].split("\n\n")[0].splitlines()
    assert table[0].startswith("[START]")
    review = printed.split('"')[1].split()
    assert [line.split()[0] for line in table[1:]] == review
    assert (tmp_path / "gates.png").stat().st_size > 10_000


@pytest.fixture
def small_imdb(tmp_path):
    """A file in Keras' format with 80 made-up reviews in each part."""
    rng = np.random.default_rng(0)

    def reviews():
        array = np.empty(80, dtype=object)
        array[:] = [rng.integers(1, 600, rng.integers(5, 150)).tolist() for _ in range(80)]
        return array

    labels = np.tile([0, 1], 40)
    path = tmp_path / "imdb.npz"
    np.savez(path, x_train=reviews(), y_train=labels, x_test=reviews(), y_test=labels)
    return path


RUN_KEYS = {
    "model", "seed", "params", "total_params", "epochs_run", "best_epoch", "val_loss",
    "val_accuracy", "test_loss", "test_accuracy", "seconds", "ms_per_step", "history",
}  # fmt: skip


def test_chapter_runs_resumes_and_keeps_finished_runs(small_imdb, tmp_path, capsys, monkeypatch):
    import chapter_09_3 as example

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    out = tmp_path / "out"
    arguments = ["--data", str(small_imdb), "--epochs", "2", "--out", str(out)]
    example.main([*arguments, "--models", "lstm"])
    first = json.loads((out / "results.json").read_text())
    example.main(arguments)
    results = json.loads((out / "results.json").read_text())
    assert results["runs"][0] == first["runs"][0]
    assert "finished before, kept" in capsys.readouterr().out
    assert {"backend", "versions", "machine", "runs"} <= set(results)
    assert [run["model"] for run in results["runs"]] == list(example.MODELS)
    for run in results["runs"]:
        assert set(run) == RUN_KEYS
        assert run["total_params"] == example.PUBLISHED[run["model"]]["total_params"]
        assert run["params"] == example.PUBLISHED[run["model"]]["params"]
        assert run["val_loss"] == min(run["history"]["val_loss"])
        assert run["val_loss"] == run["history"]["val_loss"][run["best_epoch"] - 1]
    assert (out / "curves.png").stat().st_size > 10_000
    with pytest.raises(SystemExit, match="Give another --out"):
        example.main([*arguments, "--epochs", "3"])
    assert json.loads((out / "results.json").read_text()) == results


@pytest.mark.parametrize("model", ["lstm_dropout", "gru"])
def test_what_makes_the_chapter_faster_changes_no_loss(model, small_imdb, monkeypatch):
    import chapter_09_3 as example

    data = example.load_data(small_imdb, None)

    def losses():
        history = example.build_model(model, 0).fit(
            **example.training_data(data.train, 0),
            epochs=3,
            validation_data=(data.validation.x, data.validation.y),
            validation_batch_size=example.VALIDATION_BATCH,
            verbose=0,
        )
        return np.array([history.history["loss"], history.history["val_loss"]])

    fast = losses()
    # XLA draws other dropout masks on TensorFlow: there it stays, and the rest is compared.
    xla = {"jit_compile": True} if model == "lstm_dropout" else {}
    plain = {"jax": {}, "tensorflow": xla, "torch": {}}
    monkeypatch.setattr(example, "FASTER", plain)
    monkeypatch.setattr(example, "VALIDATION_BATCH", 64)
    assert np.abs(losses() - fast).max() < 1e-4


def test_every_epoch_has_another_order_of_the_same_reviews():
    import chapter_09_3 as example

    x = np.arange(10)
    batches = example.Reshuffled(x, -x, batch_size=4, seed=0)
    orders = []
    for _ in range(3):
        pairs = [batches[i] for i in range(len(batches))]
        assert [len(a) for a, _ in pairs] == [4, 4, 2]
        assert all((a == -b).all() for a, b in pairs)
        orders.append(np.concatenate([a for a, _ in pairs]).tolist())
        batches.on_epoch_end()
    assert [sorted(order) for order in orders] == [x.tolist()] * 3
    assert orders[0] != orders[1] != orders[2]


def test_the_published_figures_are_the_chapters():
    path = SHARED / "chapter.json"
    if not path.exists():
        pytest.skip("the chapter's figures are not beside this checkout")
    published = json.loads((ROOT / "examples" / "chapter_09_3.json").read_text())["models"]
    chapter = json.loads(path.read_text())["models"]
    assert list(published) == list(chapter)
    for name, model in chapter.items():
        mine = published[name]
        assert mine["params"] == model["params"]
        assert (mine["total_params"], mine["epochs_run"]) == (model["total"], model["epochs_run"])
        best = model["best"]
        for key, value in (("best_epoch", "epoch"), ("val_loss", "val_loss")):
            assert mine[key] == best[value]
        assert mine["history"]["val_loss"] == [epoch["val_loss"] for epoch in model["history"]]
        assert mine["history"]["loss"] == [epoch["loss"] for epoch in model["history"]]


@pytest.mark.slow
def test_a_model_of_the_chapter_learns_the_real_reviews(tmp_path, monkeypatch):
    """Three epochs on 2,000 real reviews: the loss falls, as the chapter's did at the start."""
    path = SHARED / "data" / "imdb.npz"
    if not path.exists():
        pytest.skip("the real reviews are not beside this checkout")
    import chapter_09_3 as example

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    arguments = ["--data", str(path), "--limit", "2000", "--epochs", "3", "--models", "lstm"]
    example.main([*arguments, "--out", str(tmp_path / "out")])
    (run,) = json.loads((tmp_path / "out" / "results.json").read_text())["runs"]
    assert run["history"]["loss"] == sorted(run["history"]["loss"], reverse=True)
    assert run["total_params"] == 8809
