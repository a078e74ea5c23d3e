"""Loss curves: what is drawn where, in every form a history may have."""

import sys
import threading

import keras
import matplotlib
import matplotlib.image
import matplotlib.text
import numpy as np
import pytest

from keras_rnnkit import plots

pytestmark = pytest.mark.no_backend

RUN = {"loss": [0.9, 0.6, 0.5, 0.4], "val_loss": [0.8, 0.7, 0.55, 0.6]}
PNG = b"\x89PNG\r\n\x1a\n"


def lines(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def keras_history(record, first_epoch=0):
    history = keras.callbacks.History()
    history.history = record
    history.epoch = list(range(first_epoch, first_epoch + len(record["loss"])))
    return history


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def label(axes):
    (text,) = axes.texts
    return text.get_text()


@pytest.mark.parametrize(
    "histories",
    [RUN, keras_history(RUN), {key: np.array(values) for key, values in RUN.items()}],
    ids=["dictionary", "keras", "arrays"],
)
def test_one_run_in_any_form(histories):
    (axes,) = plots.history(histories).axes
    drawn = lines(axes)
    assert drawn["training"] == [[1, 0.9], [2, 0.6], [3, 0.5], [4, 0.4]]
    assert drawn["validation"] == [[1, 0.8], [2, 0.7], [3, 0.55], [4, 0.6]]
    assert drawn["best epoch"] == [[3, 0.55]]
    assert label(axes) == "best: epoch 3\nval_loss 0.5500"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")


def test_a_keras_history_that_began_late_keeps_its_epochs():
    (axes,) = plots.history(keras_history(RUN, first_epoch=10)).axes
    assert [x for x, _ in lines(axes)["training"]] == [11, 12, 13, 14]


def test_what_fit_returned():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    run = model.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=2, validation_split=0.5, verbose=0)
    (axes,) = plots.history(run).axes
    assert [loss for _, loss in lines(axes)["validation"]] == run.history["val_loss"]


@pytest.mark.parametrize("count", range(1, 8))
def test_one_panel_a_run_in_order_with_one_loss_axis(count):
    runs = {f"run {index}": RUN for index in range(count)}
    runs["run 0"] = {"loss": [9.0, 8.0]}
    figure = plots.history(runs)
    assert [axes.get_title() for axes in figure.axes] == list(runs)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_published_curves_stand_dashed_beside_their_runs():
    published = {"b": {"epoch": [23, 24], "loss": [0.5, 0.4], "val_loss": [0.6, 0.5]}}
    first, second = plots.history({"a": RUN, "b": RUN}, published=published).axes
    assert set(lines(first)) == {"training", "validation", "best epoch"}
    assert lines(second)["validation, published"] == [[23, 0.6], [24, 0.5]]
    dashed = {line.get_label() for line in second.lines if line.is_dashed()}
    assert dashed == {"training, published", "validation, published"}


def test_published_beside_a_single_run():
    (axes,) = plots.history(RUN, published={"val_loss": [0.5]}).axes
    assert lines(axes)["validation, published"] == [[1, 0.5]]


def test_one_legend_in_a_fixed_order_outside_the_panels():
    figure = plots.history({"a": RUN, "b": RUN}, published={"b": RUN})
    assert legend(figure) == [
        "training",
        "validation",
        "best epoch",
        "training, published",
        "validation, published",
    ]
    figure.draw_without_rendering()
    top = figure.legends[0].get_window_extent().y1
    assert all(axes.get_tightbbox().y0 >= top for axes in figure.axes)


def test_without_validation_the_best_training_loss_is_marked():
    (axes,) = plots.history({"loss": [0.5, 0.3, 0.4]}).axes
    assert lines(axes)["best epoch"] == [[2, 0.3]]
    assert label(axes) == "best: epoch 2\nloss 0.3000"


def test_unmeasured_epochs_are_left_out():
    run = {"loss": [0.9, 0.8, 0.7, 0.6], "val_loss": [None, 0.8, float("nan"), 0.7]}
    (axes,) = plots.history(run).axes
    assert lines(axes)["validation"] == [[2, 0.8], [4, 0.7]]


def test_a_run_of_nan_only_is_an_empty_panel():
    (axes,) = plots.history({"loss": [float("nan")], "val_loss": [float("inf")]}).axes
    assert not axes.lines and not axes.texts


def test_a_single_epoch_is_visible():
    (axes,) = plots.history({"loss": [0.5], "val_loss": [0.6]}).axes
    assert all(line.get_marker() not in ("", "None") for line in axes.lines)


@pytest.mark.parametrize("run", [RUN, {"loss": [3, 2, 1]}, {"loss": [1, 2, 3]}], ids=str)
def test_the_label_covers_no_curve(run):
    figure = plots.history(run)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    box = matplotlib.text.Text.get_window_extent(axes.texts[0])  # the words without the line
    for losses in run.values():
        places = np.linspace(0, len(losses) - 1, 999)
        curve = np.stack([places + 1, np.interp(places, range(len(losses)), losses)], axis=1)
        assert not box.count_contains(axes.transData.transform(curve))
    assert axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1)


def test_names_are_not_taken_for_mathematics(tmp_path):
    figure = plots.history({"$x^{$": RUN}, title="$y_{$", path=tmp_path / "a.png")
    assert figure.axes[0].get_title() == "$x^{$" and figure.get_suptitle() == "$y_{$"


def test_saves_a_picture_and_makes_the_folder(tmp_path):
    path = tmp_path / "new" / "curves.png"
    plots.history(RUN, path=path)
    assert path.read_bytes().startswith(PNG)
    assert matplotlib.image.imread(path).std() > 0.01


def test_overwrites_unless_told_not_to(tmp_path):
    path = tmp_path / "curves.png"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        plots.history(RUN, path=path, overwrite=False)
    assert path.read_text() == "precious"
    plots.history(RUN, path=path)
    assert path.read_bytes().startswith(PNG)


def test_a_wrong_path_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in '\.png'"):
        plots.history(RUN, path=tmp_path / "curves.pdf")


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        ({}, "`histories` must be a keras"),
        ([0.5, 0.4], "`histories` must be a keras"),
        ({"a": 3}, r"`histories\['a'\]` must be"),
        ({"a": RUN, "b": [0.5]}, r"`histories\['b'\]` must be"),
        ({"accuracy": [0.5]}, r"no losses.*sorted\(histories\)=\['accuracy'\]$"),
        ({"loss": []}, "no losses"),
        (
            {"loss": [1, 2, 3, 4], "val_loss": [1, 2]},
            r"4 epochs.*\['val_loss'\]\)=2$",
        ),
        ({"epoch": [1], "loss": [1, 2]}, r"1 epochs.*len\(histories\['loss'\]\)=2$"),
    ],
    ids=str,
)
def test_wrong_histories_are_refused(histories, message):
    with pytest.raises(ValueError, match=message):
        plots.history(histories)


def test_unknown_published_names_are_refused():
    with pytest.raises(ValueError, match=r"\['a'\].*\['c'\]"):
        plots.history({"a": RUN}, published={"c": RUN})


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "keras-rnnkit\[plot\]"'):
        plots.history(RUN)


def test_global_state_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would raise
    before = dict(matplotlib.rcParams)
    worker = threading.Thread(target=plots.history, args=(RUN,))
    worker.start()
    worker.join()
    assert dict(matplotlib.rcParams) == before


LOG = "epoch,acc,loss,val_loss\n0,NA,0.9,NA\n1,0.5,0.6,0.8\n2,0.5,nan,0.7\n"


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_a_log_is_drawn_from_its_file(tmp_path, kind):
    (tmp_path / "log.csv").write_text(LOG)
    (axes,) = plots.history(kind(tmp_path / "log.csv")).axes
    drawn = lines(axes)
    assert drawn["training"] == [[1, 0.9], [2, 0.6]]
    assert drawn["validation"] == [[2, 0.8], [3, 0.7]]
    assert len(plots.history({"a": tmp_path / "log.csv", "b": RUN}).axes) == 2


@pytest.mark.parametrize(
    "text", ["", "loss\n1\n", "epoch,loss\n0,low\n", "epoch,loss\n0\n", "\x00", "PK\x03\x04"]
)
def test_a_file_that_is_no_log_is_refused(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match=r"`histories`.*log\.csv"):
        plots.history(tmp_path / "log.csv")


def test_a_log_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"log\.csv"):
        plots.history(tmp_path / "log.csv")
