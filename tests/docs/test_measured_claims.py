"""What the tutorials say of measured results is true of the results, also of newer ones."""

import json
from statistics import mean

import pytest

from tests.docs.test_pages import ROOT

pytestmark = pytest.mark.no_backend

RESULTS = ROOT / "benchmarks" / "results"
MODELS = ("kit", "keras")  # that benchmarks/tracing.py traces
MASKED = ("no mask", "mask")
OF_STATES, OF_WORDS = ("cells", "contextual"), ("integrated_gradients", "occlusion")


def attribution():
    return json.loads((RESULTS / "attribution.json").read_text("utf-8"))


def test_on_the_sample_methods_that_look_at_the_states_find_more_deciding_words():
    for seed in attribution()["sample"]:
        hits = seed["hits"]
        assert min(hits[name] for name in OF_STATES) > max(hits[name] for name in OF_WORDS)
        assert min(hits[name] for name in (*OF_STATES, *OF_WORDS)) > 2 * hits["random"]


def test_on_imdb_the_top_words_of_the_cells_change_the_prediction_least():
    report = attribution()
    for i in range(len(report["taken_out"])):
        drops = {
            name: mean(seed["drops"][name][i] for seed in report["imdb"])
            for name in (*OF_STATES, *OF_WORDS, "random")
        }
        assert drops["random"] < drops["cells"] < min(drops[name] for name in OF_WORDS)
        assert drops["cells"] < drops["contextual"]


def test_the_units_of_the_chapters_lstm_forget_fast_and_its_predictions_need_more_words():
    models = json.loads((RESULTS / "chapter_memory.json").read_text("utf-8"))["models"]
    for model in models:
        accuracy = model["accuracy"]
        assert max(model["half_life"]) < 3
        assert model["share"]["50"] < 1e-5
        assert model["gradient"]["50"] > 0.5
        assert model["same_prediction"]["50"] < 0.9
        assert accuracy["100"] - accuracy["50"] > 0.03
        assert accuracy["200"] - accuracy["100"] > 0.02
    assert mean(m["accuracy"]["400"] for m in models) < mean(m["accuracy"]["200"] for m in models)


def test_padding_on_the_right_without_a_mask_costs_most_where_much_is_padding():
    report = json.loads((RESULTS / "padding.json").read_text("utf-8"))

    def of(length, kind, number="accuracy"):
        return [report["cells"][f"{length} {kind} seed {seed}"][number] for seed in range(3)]

    right = [mean(of(400, kind)) for kind in ("pre no mask", "pre mask", "post mask")]
    assert max(right) - min(right) < 0.015
    assert max(of(400, "post no mask")) < min(right) - 0.05
    first = [values[:2] for values in of(400, "post no mask", "val_accuracy")]
    assert all(value < 0.52 for values in first for value in values)
    short = [mean(of(100, f"{side} {mask}")) for side in ("pre", "post") for mask in MASKED]
    assert max(short) - min(short) < 0.005
    assert 0.45 < mean(of(400, "pre no mask", "padded_steps")) < 0.5


def test_the_raw_reviews_are_encoded_as_in_the_data_set_and_fast():
    report = json.loads((RESULTS / "encoding.json").read_text("utf-8"))
    assert (report["reviews"], report["different"]) == (50_000, 0)
    assert min(rates["min"] for rates in report["reviews_a_minute"].values()) > 100_000


def test_the_classifier_reaches_its_accuracy_within_its_time():
    reports = [json.loads(file.read_text("utf-8")) for file in RESULTS.glob("*/classifier_*.json")]
    runs = [run for report in reports for run in report["rows"]]
    least = {"default": 0.86, "best": 0.88}
    for model, accuracy in least.items():
        found = [run for run in runs if run["model"] == model]
        if not found:
            pytest.skip(f"benchmarks/classifier.py has not measured '{model}' yet")
        assert len({run["seed"] for run in found}) >= 3
        assert mean(run["accuracy"] for run in found) >= accuracy
        assert min(run["accuracy"] for run in found) >= accuracy - 0.005
    assert min(run["minutes"] for run in runs if run["model"] == "default") < 10


def test_a_trace_takes_at_most_three_times_as_long_as_predict():
    reports = [json.loads(file.read_text("utf-8")) for file in RESULTS.glob("*/tracing_*.json")]
    ratios = [one["cells"][model]["trace_over_predict"] for one in reports for model in MODELS]
    assert len(ratios) >= 6
    assert max(ratio["median"] for ratio in ratios) <= 3


def test_the_gate_monitor_costs_less_than_a_twentieth_of_an_epoch():
    files = list(RESULTS.glob("*/gate_monitor_*.json"))
    assert len(files) >= 3
    for file in files:
        report = json.loads(file.read_text("utf-8"))
        (cell,) = report["cells"].values()
        assert cell["added"]["median"] < 0.05, file


def test_files_of_export_onnx_predict_as_keras_and_are_never_slower_than_its_files():
    files = list(RESULTS.glob("*/onnx_reviews_*.json"))
    if not files:
        pytest.skip("benchmarks/onnx_reviews.py has not measured yet")
    for file in files:
        for name, cell in json.loads(file.read_text("utf-8"))["cells"].items():
            where = f"{file}, {name}"
            assert cell["rows"] == (5_000 if name.startswith("tagger") else 25_000), where
            assert cell["difference"] <= 1e-5, where
            assert cell["other_class"] == 0, where
            assert not cell["loop"]["kit"], where
            if "keras" in cell["loop"]:
                ratios = [cell[f"rows_{rows}"]["keras_over_kit"]["median"] for rows in (1, 64)]
                assert min(ratios) >= 1 / 1.05, where
                assert not cell["loop"]["keras"] or ratios[0] >= 3, where


def test_weights_in_eight_bits_cost_hardly_any_accuracy_and_a_third_of_the_bytes_remains():
    for model in json.loads((RESULTS / "onnx_quantized.json").read_text("utf-8"))[
        "models"
    ].values():
        accuracy, size = model["accuracy"], model["bytes"]
        assert abs(accuracy["int8"] - accuracy["float32"]) < 0.005
        assert size["int8"] < 0.35 * size["float32"]
