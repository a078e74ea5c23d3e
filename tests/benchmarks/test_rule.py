"""The rule of methods agrees with the measured rows in `benchmarks/results`."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import _method_rows  # noqa: E402
import _results  # noqa: E402
import _rule_data  # noqa: E402
import methods_page  # noqa: E402

sys.path.remove(str(BENCHMARKS))

pytestmark = pytest.mark.no_backend


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_the_rule_takes_a_method_that_is_good_on_every_processor(backend):
    """The worst ratio over processors and batch sizes is the least, or within 1.10."""
    refused = {}
    for case, (ratios, certain) in _rule_data.judged(backend).items():
        taken = _rule_data.methods_of_rule(backend, case, ratios)
        if not _rule_data.is_accepted(taken, ratios, certain):
            refused[case] = _rule_data.worst_of(taken, ratios), _rule_data.worst(ratios)
    assert not refused


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_the_table_is_complete_on_one_processor(backend):
    measured = [_method_rows.rows_of(report) for report in _results.every("methods", backend)]
    fullest = max(measured, key=len)
    assert set(_method_rows.all_rows(backend)) <= set(fullest)


@pytest.mark.parametrize(
    ("ratios", "accepted"),
    [
        ({"a": {1: 1.0, 64: 1.0}, "b": {1: 1.08, 64: 1.1}, "c": {1: 1.0, 64: 1.11}}, {"a", "b"}),
        ({"a": {1: 1.0, 64: 1.5}, "b": {1: 1.3, 64: 1.0}, "c": {1: 1.31, 64: 1.0}}, {"b"}),
        ({"a": {1: 1.2, 64: 1.2}, "of one batch": {64: 1.0}}, {"a"}),
    ],
)
def test_what_is_accepted(ratios, accepted):
    assert accepted_of(ratios, ratios) == accepted


def accepted_of(ratios, certain):
    """The methods of all batch sizes that are accepted for every one of them."""
    return {
        method
        for method in _rule_data.worst(ratios)
        if _rule_data.is_accepted(dict.fromkeys(ratios[method], method), ratios, certain)
    }


def test_what_is_within_the_standard_error_is_accepted():
    ratios = {"a": {1: 1.0}, "b": {1: 1.2}, "c": {1: 1.2}}
    certain = {"a": {1: 1.0}, "b": {1: 1.1}, "c": {1: 1.11}}
    assert accepted_of(ratios, certain) == {"a", "b"}


def test_a_method_for_each_batch_size_is_judged_by_the_worst_of_them():
    ratios = {"a": {1: 1.0, 64: 1.5}, "b": {1: 1.3, 64: 1.0}}
    assert _rule_data.is_accepted({1: "a", 64: "b"}, ratios, ratios)
    assert not _rule_data.is_accepted({1: "b", 64: "a"}, ratios, ratios)


def test_the_standard_error_of_a_ratio_is_of_both_medians():
    rng = np.random.default_rng(0)
    times = [rng.normal(mean, 0.02 * mean, (10_000, 7)) for mean in (1.0, 1.2)]
    best, other = (np.median(rounds, axis=1) for rounds in times)
    error = np.std(other / best) / 1.2
    quartiles = [
        np.quantile(rng.normal(mean, 0.02 * mean, 10_000), [0.25, 0.5, 0.75]) for mean in (1.0, 1.2)
    ]
    best, other = map(tuple, quartiles)
    found = _rule_data.ratio(other, best, False) / _rule_data.ratio(other, best, True) - 1
    assert found == pytest.approx(error, rel=0.1)
    assert _rule_data.ratio(best, best, True) == 1


def test_the_page_has_the_name_in_explain_of_every_method():
    rows = methods_page.methods_table().splitlines()[2:]
    names = [row.strip("| ").split(" | ")[2:] for row in rows]
    assert all(set(by_backend) != {methods_page.NOTHING} for by_backend in names)
