"""A monitor that will never be in the logs is refused early, and no other ever is."""

import os

import keras
import numpy as np
import pytest

from keras_rnnkit import callbacks
from tests.callbacks.support import VALIDATION, Scripted, Witness, fit, make_model

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

PRESETS = {
    "chapter": lambda folder, **options: callbacks.chapter(folder / "best.keras", **options),
    "standard": lambda folder, **options: callbacks.standard(folder, curves=False, **options),
}


@pytest.fixture(params=PRESETS)
def preset(request):
    return PRESETS[request.param]


class SelfMeasured(keras.Model):
    """Names in validation that training does not have, as a model of one's own may."""

    def test_step(self, *arguments):
        result = super().test_step(*arguments)
        if isinstance(result, tuple):  # JAX hands the state along
            return {**result[0], "error": result[0]["loss"]}, *result[1:]
        return {**result, "error": result["loss"]}


@pytest.mark.parametrize("monitor", ["accuracy", "val_accuracy", "val_val_loss"])
def test_unknown_name_raises_after_the_first_batch(tmp_path, preset, monitor):
    witness = Witness()
    with pytest.raises(
        ValueError,
        match=rf"will never.*loss, mae, val_loss, val_mae.*monitor='{monitor}'$",
    ):
        fit(make_model(), [witness, *preset(tmp_path, monitor=monitor)])
    assert (witness.batches, witness.epochs) == (1, 0)
    assert os.listdir(tmp_path) == []


def test_missing_validation_raises_before_anything_is_written(tmp_path, preset):
    witness = Witness()
    with pytest.raises(
        ValueError,
        match=r"is not in those of.*loss, mae.*validation_data.*monitor='val_loss'$",
    ):
        fit(make_model(), [*preset(tmp_path), witness], validation_data=None)
    assert witness.epochs == 0
    assert os.listdir(tmp_path) == []


def test_after_a_refusal_the_same_list_and_model_can_go_on(tmp_path, preset):
    model, ready = make_model(), preset(tmp_path)
    with pytest.raises(ValueError, match="not in those of this epoch"):
        fit(model, ready, validation_data=None)
    assert np.isfinite(fit(model, ready).history["val_loss"]).all()
    assert (tmp_path / "best.keras").is_file()


def test_training_figures_need_no_validation(tmp_path, preset):
    fit(make_model(), preset(tmp_path, monitor="mae"), validation_data=None)
    assert (tmp_path / "best.keras").is_file()


def test_validation_only_names_are_found_in_validation(tmp_path, preset):
    model = make_model(model_class=SelfMeasured)
    fit(model, preset(tmp_path, monitor="val_error", mode="min"))
    assert (tmp_path / "best.keras").is_file()


def test_unknown_validation_only_name_raises_after_the_first_validation(tmp_path, preset):
    witness = Witness()
    with pytest.raises(ValueError, match=r"'val_typo' will never.*val_error"):
        fit(
            make_model(model_class=SelfMeasured),
            [witness, *preset(tmp_path, monitor="val_typo", mode="min")],
        )
    assert (witness.batches, witness.epochs) == (4, 0)


def test_evaluate_with_the_same_list_is_left_alone(tmp_path, preset):
    ready = preset(tmp_path)
    fit(make_model(), ready, epochs=1)
    other = make_model(metrics=())
    ready[0].monitor = "val_mae"
    other.evaluate(np.ones((4, 4)), np.ones((4, 1)), callbacks=ready, verbose=0)


@pytest.mark.parametrize("frequency", [2, [2, 4]], ids=str)
def test_epochs_without_validation_are_passed_over(tmp_path, preset, frequency):
    model = make_model()
    ready = preset(tmp_path, validation_freq=frequency, patience=3)
    history = fit(model, ready, epochs=5, validation_freq=frequency)
    assert len(history.epoch) == 5 and len(history.history["val_loss"]) == 2
    best = keras.saving.load_model(tmp_path / "best.keras")
    measured = best.evaluate(*VALIDATION, verbose=0, return_dict=True)["loss"]
    assert np.isclose(measured, min(history.history["val_loss"]), rtol=1e-5)


def test_validation_less_often_than_promised_is_refused_with_the_remedy(tmp_path, preset):
    with pytest.raises(ValueError, match="pass the same one to the preset"):
        fit(make_model(), preset(tmp_path), validation_freq=2)


def test_too_few_epochs_for_any_validation_are_refused_at_once(tmp_path, preset):
    witness = Witness()
    ready = preset(tmp_path, validation_freq=5)
    with pytest.raises(ValueError, match="none of the 4 epochs has validation"):
        fit(make_model(), [*ready, witness], validation_freq=5)
    assert witness.batches == 0


def test_patience_counts_measured_epochs(tmp_path, preset):
    class EverySecond(Scripted):
        def on_epoch_end(self, epoch, logs=None):
            if "val_loss" in logs:
                super().on_epoch_end(epoch, logs)

    ready = preset(tmp_path, validation_freq=2, patience=2)
    script = EverySecond([None, 1.0, None, 2.0, None, 2.0, None, 2.0])
    history = fit(make_model(), [script, *ready], epochs=8, validation_freq=2)
    assert len(history.epoch) == 6
