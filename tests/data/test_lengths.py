"""The lengths to pad to: no other choice of so many has less padding."""

from itertools import combinations

import numpy as np
import pytest

from keras_rnnkit.data.lengths import least_padding

pytestmark = pytest.mark.no_backend


def cost(chosen, lengths, rows):
    return int((np.asarray(chosen)[np.searchsorted(chosen, lengths)] * rows).sum())


@pytest.mark.parametrize("seed", range(40))
def test_no_other_choice_has_less_padding(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 11))
    lengths = np.sort(rng.choice(np.arange(1, 60), count, replace=False))
    rows = rng.integers(1, [3, 1000][seed % 2], count)
    for number in range(1, count + 2):
        chosen = least_padding(lengths, rows, number)
        assert len(chosen) == min(number, count) and (np.diff(chosen) > 0).all()
        others = combinations(lengths[:-1], min(number, count) - 1)
        best = min(cost([*other, lengths[-1]], lengths, rows) for other in others)
        assert cost(chosen, lengths, rows) == best


def test_products_do_not_overflow():
    lengths = np.array([1, 2**30, 2**31 - 1])
    rows = np.array([5, 2**40, 1])
    assert least_padding(lengths, rows, 2).tolist() == [2**30, 2**31 - 1]
