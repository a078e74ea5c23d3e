"""`windows`: what is in a window, in a part, in a batch, and what the scaling does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_rnnkit.data import Scaler, Windows, windows

pytestmark = pytest.mark.no_backend

NAN = float("nan")
PARTS = ("train", "validation", "test")


def whole(batches, which):
    """Inputs (0), targets (1) or sample weights (2) of all batches."""
    return np.concatenate([batch[which] for batch in batches])


def numbered(steps):
    """Series whose value at a step says which series and which step it is."""
    return [1000 * number + np.arange(count, dtype=float) for number, count in enumerate(steps)]


@st.composite
def cases(draw):
    length, horizon = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    least = 4 * (length + horizon)  # enough for each part of every split below
    return {
        "series": numbered(draw(st.lists(st.integers(least, least + 30), min_size=1, max_size=3))),
        "length": length,
        "horizon": horizon,
        "stride": draw(st.integers(1, 4)),
        "split": draw(st.sampled_from([(0.5, 0.25, 0.25), (0.3, 0.4, 0.3), (0.4, 0, 0.6)])),
        "batch_size": draw(st.integers(1, 7)),
        "seed": draw(st.none() | st.integers(0, 3)),
    }


@given(cases())
def test_no_part_has_a_step_of_the_targets_of_a_later_part(case):
    data = windows(**case, scale=False, dtype="float64")
    for number, series in enumerate(case["series"]):
        last_step, ends = -1, np.cumsum(case["split"]) * len(series)
        for part, end in zip(PARTS, ends, strict=True):
            batches = getattr(data, part)
            mine = batches.positions[:, 0] == number
            if not mine.any():
                continue
            targets = batches.targets()[mine] - 1000 * number
            assert targets.min() > last_step
            last_step = targets.max()
            assert last_step < end + 0.5
    for batches in data[:3]:
        for x, y in batches:
            steps = np.concatenate([x[..., 0], y], axis=1)
            assert (np.diff(steps, axis=1) == 1).all()  # in one series, no step is left out


@given(cases())
def test_the_windows_are_those_of_a_plain_loop(case):
    data = windows(**case, scale=False, dtype="float64")
    length, horizon, stride = case["length"], case["horizon"], case["stride"]
    for i, part in enumerate(PARTS):
        expected = []
        for series in case["series"]:
            bounds = np.rint(np.cumsum([0, *case["split"]]) * len(series)).astype(int)
            start = max(length, bounds[i])
            while start + horizon <= bounds[i + 1]:
                expected.append(series[start - length : start + horizon].tolist())
                start += stride
        batches = getattr(data, part)
        sizes = [len(x) for x, _ in batches]
        assert all(size == case["batch_size"] for size in sizes[:-1])
        if not expected:
            assert len(batches) == 0
            continue
        found = np.concatenate([whole(batches, 0)[..., 0], whole(batches, 1)], axis=1).tolist()
        shuffled = part == "train" and case["seed"] is not None
        assert (sorted(found) if shuffled else found) == sorted(expected)


def test_all_steps_after_the_first_inputs_are_targets():
    data = windows(np.arange(50), length=4, horizon=1, scale=False)
    steps = [one.targets()[:, 0] for one in data[:3]]
    assert np.concatenate(steps).tolist() == list(range(4, 50))


def test_one_target_by_its_number_has_no_axis_of_features():
    series = np.arange(80.0).reshape(40, 2)
    options = {"length": 3, "horizon": 2, "scale": False, "batch_size": 4, "seed": None}
    number, listed = (windows(series, targets=targets, **options) for targets in (1, [1]))
    assert number.train[0][1].shape == (4, 2)
    assert listed.train[0][1].shape == (4, 2, 1)
    np.testing.assert_array_equal(number.train[0][1], listed.train[0][1][..., 0])


def test_the_future_changes_neither_the_scaling_nor_the_training_windows():
    rng = np.random.default_rng(0)
    series = rng.normal(5, 3, (60, 2))
    other = series.copy()
    other[42:] = 1e6
    one, two = (windows(values, 5, 2) for values in (series, other))
    np.testing.assert_array_equal(one.scaler.mean, two.scaler.mean)
    np.testing.assert_array_equal(one.scaler.std, two.scaler.std)
    np.testing.assert_array_equal(whole(one.train, 0), whole(two.train, 0))
    assert abs(whole(two.test, 0)).max() > 1e4


def test_scaling_is_that_of_the_training_parts_and_can_be_undone():
    rng = np.random.default_rng(0)
    series = [rng.normal(5, 3, (60, 2)), rng.normal(-2, 1, (40, 2))]
    data = windows(series, 5, 2, targets=[1, 0], split=(0.5, 0.3, 0.2))
    training = np.concatenate([series[0][:30], series[1][:20]])
    np.testing.assert_allclose(data.scaler.mean, training.mean(axis=0))
    np.testing.assert_allclose(data.scaler.std, training.std(axis=0))
    (number, step), (x, y) = data.test.positions[0], data.test[0]
    expected = (series[number] - data.scaler.mean) / data.scaler.std
    np.testing.assert_allclose(x[0], expected[step - 5 : step], rtol=1e-5)
    np.testing.assert_allclose(y[0], expected[step : step + 2, ::-1], rtol=1e-5)
    undone = data.scaler.undo(whole(data.test, 1))
    np.testing.assert_allclose(undone, data.test.targets(), rtol=1e-5)


def test_missing_values_are_zeros_and_told_by_the_indicators():
    series = np.arange(40.0).reshape(20, 2)
    series[3] = NAN
    series[5, 1] = NAN
    data = windows(series, 6, 2, scale=False, seed=None, split=(0.6, 0.2, 0.2))
    x, _ = data.train[0]
    assert x.shape[1:] == (6, 4)
    assert x[0, 3].tolist() == [0, 0, 0, 0]
    assert x[0, 5].tolist() == [10, 0, 1, 0]
    assert x[0, 0].tolist() == [0, 1, 1, 1]
    assert (x[..., 2:].sum(axis=-1) > 0).tolist() == (x != 0).any(axis=-1).tolist()
    assert not np.isnan(x).any()


def test_a_constant_feature_is_zero_and_no_missing_step():
    series = np.full(30, 0.1)
    series[4] = NAN
    data = windows(series, 3, 1, seed=None)
    assert data.scaler.mean.tolist() == [0.1]
    assert data.scaler.std.tolist() == [1.0]
    assert data.train.positions[2].tolist() == [0, 6]  # the one before has no target
    assert whole(data.train, 0)[2].tolist() == [[0, 1], [0, 0], [0, 1]]
    assert data.scaler.undo([0.0]).tolist() == [0.1]


def test_missing_targets_have_weight_zero_and_windows_without_any_are_left_out():
    series = np.arange(40.0)
    series[[12, 13, 20]] = NAN
    flat = windows(series, 4, 2, scale=False, seed=None, split=(0.6, 0.2, 0.2))
    assert [12] not in flat.train.positions[:, 1:].tolist()
    x, y, weights = (whole(flat.train, i) for i in range(3))
    steps = flat.train.positions[:, 1].tolist()
    assert [step for step, weight in zip(steps, weights, strict=True) if not weight] == [
        11, 13, 19, 20,
    ]  # fmt: skip
    assert y[steps.index(11)].tolist() == [11, 0]
    assert weights.shape == (len(x),)
    assert weights.dtype == x.dtype
    each = windows(series, 4, 2, targets=[0], scale=False, seed=None, split=(0.6, 0.2, 0.2))
    y, weights = whole(each.train, 1), whole(each.train, 2)
    assert y.shape == (len(steps), 2, 1)
    assert weights[steps.index(11)].tolist() == [1, 0]
    assert np.isnan(each.train.targets()[steps.index(11)]).tolist() == [[False], [True]]
    assert len(each.test[0]) == 3  # like the training part, though nothing is missing in it


def test_without_missing_targets_there_are_no_weights():
    series = np.arange(60.0).reshape(30, 2)
    series[8, 0] = NAN
    assert len(windows(series, 3, 2, targets=1).train[0]) == 2
    assert len(windows(series, 3, 2, targets=0).train[0]) == 3
    assert len(windows(series, 3, 1, targets=0).train[0]) == 2  # no window lacks a part of them


@pytest.mark.parametrize("values", ["int16", "uint8", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_every_type_become_the_same_batches(values, dtype):
    series = (np.arange(50) % 7).astype(values)
    data = windows(series, 5, 2, dtype=dtype)
    expected = windows(series.astype("float64"), 5, 2, dtype="float64")
    for batch, other in zip(data.train, expected.train, strict=True):
        for one, two in zip(batch, other, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, two, rtol=1e-6)


def test_masked_arrays_and_plain_lists():
    masked = np.ma.masked_equal(np.arange(30), 3)
    assert windows(masked, 5, seed=None, scale=False).train[0][0][0, :, 1].tolist() == [
        1, 1, 1, 0, 1,
    ]  # fmt: skip
    one = windows(list(range(30)), 5)
    assert one.train[0][1].shape == (16, 1)
    assert windows([list(range(30))], 5).train.positions.tolist() == one.train.positions.tolist()


def test_the_series_is_not_copied_and_batches_are(tmp_path):
    np.save(tmp_path / "series.npy", np.arange(100, dtype="int32"))
    series = np.load(tmp_path / "series.npy", mmap_mode="r")
    data = windows(series, 5, seed=None, scale=False)
    assert np.shares_memory(data.train._series.arrays[0], series)
    assert data.train._series.arrays is data.test._series.arrays
    writable = np.arange(100.0)
    data = windows(writable, 5, seed=None, scale=False, dtype="float64")
    data.train[0][0][:] = -1
    data.train[0][1][:] = -1
    assert (writable == np.arange(100)).all()


def test_the_order_of_an_epoch_is_determined_by_the_seed_and_its_number():
    def orders(seed):
        data = windows(np.arange(100), 5, scale=False, seed=seed, batch_size=8)
        found = []
        for epoch in range(3):
            assert data.train.epoch == epoch
            found.append(whole(data.train, 1)[:, 0].tolist())
            data.train.on_epoch_end()
            data.train[0]
            data.train.on_epoch_end()  # as Keras does after the batch that builds a model
        data.train.set_epoch(1)
        assert whole(data.train, 1)[:, 0].tolist() == found[1]
        return found

    assert orders(0) == orders(0)
    assert orders(0)[0] != orders(0)[1] != orders(1)[1]
    assert sorted(orders(0)[2]) == list(range(5, 70))
    data = windows(np.arange(100), 5)
    before = whole(data.test, 1).tolist()
    data.test.on_epoch_end()
    assert whole(data.test, 1).tolist() == before


def test_new_steps_become_a_batch_to_predict_from():
    series = np.arange(60.0).reshape(30, 2)
    series[8, 0] = NAN
    data = windows(series, 4, targets=0)
    assert data.scaler.inputs(series[-4:]).shape == (1, 4, 4)
    step = data.train.positions[5, 1]
    ordered = windows(series, 4, targets=0, seed=None)
    np.testing.assert_array_equal(
        data.scaler.inputs(series[step - 4 : step])[0], whole(ordered.train, 0)[5]
    )
    plain = windows(np.arange(30), 4)
    assert plain.scaler.inputs([1, 2, 3, 4]).shape == (1, 4, 1)
    with pytest.raises(ValueError, match=r"pass `indicators=True`.*Received: recent with NaN=1"):
        plain.scaler.inputs([1, NAN, 3, 4])
    with pytest.raises(ValueError, match=r"\(steps, 1\).*Received: recent.shape=\(4, 2\)"):
        plain.scaler.inputs(series[:4])
    with pytest.raises(ValueError, match=r"finite values.*Received: recent\[1\]=\[inf\]"):
        plain.scaler.inputs([1, np.inf, 3, 4])
    told = windows(np.arange(30), 4, indicators=True)
    masked = np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0])
    assert told.scaler.inputs(masked)[0, :, 1].tolist() == [1, 0, 1, 1]
    assert told.scaler.inputs([1, NAN, 3, 4])[0, :, 1].tolist() == [1, 0, 1, 1]
    assert told.train[0][0].shape == (17, 4, 2)


def test_predictions_of_any_shape_are_undone_with_one_target():
    scaler = Scaler(np.array([1.0, 5.0]), np.array([2.0, 10.0]), (1,), False, "float32")
    for shape in [(), (3,), (3, 4), (3, 4, 5)]:
        np.testing.assert_array_equal(scaler.undo(np.ones(shape)), np.full(shape, 15.0))
    with pytest.raises(ValueError, match=r"2 targets as its last axis.*y.shape=\(3, 4\)"):
        scaler._replace(targets=(0, 1)).undo(np.ones((3, 4)))


def test_the_record_unpacks():
    train, validation, test, scaler = data = windows(np.arange(30), 4)
    assert isinstance(data, Windows)
    assert [len(one.positions) for one in (train, validation, test)] == [17, 5, 4]
    assert scaler.targets == (0,)


def test_a_part_of_no_fraction_has_no_batches():
    data = windows(np.arange(30), 4, split=(1, 0, 0))
    assert [len(one) for one in data[:3]] == [1, 0, 0]
    assert data.test.targets().shape == (0, 1)
    assert len(data.train.positions) == 26
