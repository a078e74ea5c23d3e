"""Arguments that are wrong are refused by name, with the value that was received."""

import re

import numpy as np
import pytest

from keras_rnnkit._checks import INT32_MAX, check_choice, check_integer, is_integer

pytestmark = pytest.mark.no_backend


def test_integers_of_python_and_numpy_are_taken():
    for value in (3, np.int64(3), np.uint8(3)):
        checked = check_integer(value, "units", least=1)
        assert checked == 3 and type(checked) is int
    assert check_integer(0, "units") == 0
    assert check_integer(INT32_MAX, "units") == INT32_MAX
    assert check_integer(2**40, "units", most=None) == 2**40
    assert check_integer(None, "units", optional=True) is None


@pytest.mark.parametrize("value", [-1, 0, 2.0, "3", True, np.True_, None, [3], 2**31], ids=repr)
def test_what_is_no_such_integer_is_refused(value):
    expected = f"`units` must be an integer from 1 to {INT32_MAX}. Received: units={value!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        check_integer(value, "units", least=1)


def test_the_bounds_are_named():
    with pytest.raises(ValueError, match=r"an integer of at least 1\. Received: patience=0$"):
        check_integer(0, "patience", least=1, most=None)
    with pytest.raises(ValueError, match=r"from 0 to 9, or None\. Received: ids=10$"):
        check_integer(10, "ids", most=9, optional=True)


def test_choices():
    check_choice("pre", "padding", ("pre", "post"))
    with pytest.raises(
        ValueError, match=r"^`padding` must be 'pre' or 'post'\. Received: padding="
    ):
        check_choice("left", "padding", ("pre", "post"))


def test_a_boolean_is_no_integer():
    assert is_integer(1) and is_integer(np.int32(1))
    assert not is_integer(True) and not is_integer(np.bool_(True)) and not is_integer(1.0)
