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
    for name in (
        "quickstart",
        "chapter_09_3",
        "installed_backend",
        "publish_results",
        "_published",
    ):
        sys.modules.pop(name, None)


@pytest.mark.xla
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


@pytest.mark.slow_on("tensorflow", "jax")
def test_chapter_runs_resumes_and_keeps_finished_runs(small_imdb, tmp_path, capsys, monkeypatch):
    import chapter_09_3 as example

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    plain = {backend: {} for backend in example.FASTER}  # what is faster takes long to compile
    monkeypatch.setattr(example, "FASTER", plain)
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


@pytest.mark.slow_on("tensorflow")
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


@pytest.mark.slow_on("tensorflow", "jax")
def test_the_stack_is_the_chapters_third_model(small_imdb):
    import chapter_09_3 as example

    data = example.load_data(small_imdb, None)
    losses = []
    for stacked in (False, True):
        model = example.build_model("lstm_two_layers", 0, stacked)
        assert model.count_params() == example.PUBLISHED["lstm_two_layers"]["total_params"]
        history = model.fit(**example.training_data(data.train, 0), epochs=2, verbose=0).history
        losses.append(history["loss"])
    assert np.abs(np.subtract(*losses)).max() < 1e-5


@pytest.mark.no_backend
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


@pytest.mark.no_backend
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
        seconds = np.median([epoch["seconds"] for epoch in model["history"]])
        assert mine["epoch_seconds"] == seconds


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The module that makes the docs' tables, with results of its own: two seeds of each model."""
    import _published

    monkeypatch.setattr(_published, "RESULTS", tmp_path)
    runs = [
        {
            "model": model, "seed": seed, "val_loss": chapter["val_loss"] + 0.001 * (seed - 0.5),
            "val_accuracy": 0.79 + 0.002 * seed, "test_accuracy": 0.8,
            "best_epoch": chapter["best_epoch"], "epochs_run": 23 + seed,
            "history": chapter["history"],
        }
        for model, chapter in _published.MODELS.items()
        for seed in (0, 1)
    ]  # fmt: skip
    machine = {"cores": 2, "processor": "x86_64"}
    report = {"backend": "jax", "versions": {"keras": "3"}, "machine": machine, "runs": runs}
    _published.results_file("jax").write_text(_published.compact(report))
    return _published


@pytest.mark.no_backend
def test_published_tables_are_mean_and_deviation_of_the_results(published):
    import publish_results

    publish_results.write_pages()
    assert publish_results.stale() == []
    english = (published.RESULTS / "lstm.en.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    for page in published.RESULTS.glob("lstm.*.md"):
        table = [line for line in page.read_text().splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in table}) == 1
    chapter = published.MODELS["lstm"]
    assert f"| {chapter['val_loss']:.4f} ± 0.0007 | 0.7910 ± 0.0014 |" in english
    assert "| **the chapter** | 0.4091 | 0.4323 | 0.8000 | - | 27 | 30 | 11.0 |" in english
    away = abs(0.8 - 0.791) / (0.002 / 2**0.5)
    assert f"validation accuracy of 0.8000 is {away:.1f} standard deviations away" in english
    assert "validation loss of" not in english
    assert (published.RESULTS / "lstm.png").stat().st_size > 10_000


@pytest.mark.no_backend
def test_results_that_the_tables_do_not_show_are_noticed(published):
    import publish_results

    publish_results.write_pages()
    file = published.results_file("jax")
    report = json.loads(file.read_text())
    report["runs"][0]["val_loss"] += 0.01
    file.write_text(published.compact(report))
    assert publish_results.stale() == ["lstm.en.md", "lstm.ko.md", "pictures.json"]


@pytest.mark.slow_on("tensorflow", "jax")
def test_publishing_trains_what_is_missing_and_writes_the_tables(small_imdb, tmp_path, monkeypatch):
    import _published
    import chapter_09_3
    import publish_results

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(_published, "RESULTS", tmp_path / "results")
    plain = {backend: {} for backend in chapter_09_3.FASTER}  # what is faster takes long to compile
    monkeypatch.setattr(chapter_09_3, "FASTER", plain)
    trained = []

    def run_model(name, seed, data, epochs, out, stacked):
        trained.append((name, seed))
        chapter = chapter_09_3.PUBLISHED[name]
        figures = dict.fromkeys([*_published.FIGURES, "seconds"], 0.5) | {"best_epoch": 25}
        return {"model": name, "seed": seed, "history": chapter["history"], **chapter, **figures}

    monkeypatch.setattr(chapter_09_3, "run_model", run_model)
    backend = chapter_09_3.keras.config.backend()
    arguments = ["--data", str(small_imdb), "--out", str(tmp_path / "runs")]
    publish_results.main([*arguments, "--seeds", "1"])
    assert trained == [(name, 0) for name in chapter_09_3.MODELS]
    publish_results.main([*arguments, "--seeds", "2"])
    assert len(trained) == 2 * len(chapter_09_3.MODELS)
    assert len(json.loads(_published.results_file(backend).read_text())["runs"]) == 8
    publish_results.main([*arguments[:2], "--time", "--epochs", "2"])
    seconds = json.loads(_published.seconds_file(backend).read_text())["seconds"]
    assert list(seconds) == list(chapter_09_3.MODELS)
    assert all(len(times) == 2 and min(times) > 0 for times in seconds.values())
    table = (tmp_path / "results" / "gru.en.md").read_text()
    assert table.splitlines()[-3].endswith(f"| {np.median(seconds['gru']):.1f} |")
    publish_results.main(["--check"])
    (tmp_path / "results" / "gru.ko.md").write_text("0.4433")
    with pytest.raises(SystemExit, match=r"gru\.ko\.md"):
        publish_results.main(["--check"])


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
