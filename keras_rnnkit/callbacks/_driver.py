"""The function that drives the callbacks, `fit` or a loop of one's own."""

from __future__ import annotations

from types import FrameType
from typing import Any


def driver_of(callback: FrameType | None) -> FrameType | None:
    """The frame that drives the callbacks; it calls a list, and the list calls each one."""
    callbacks = None if callback is None else callback.f_back
    return None if callbacks is None else callbacks.f_back


def data_of_fit(driver: FrameType | None) -> Any:
    """The data set that Keras' `fit(x)` was given, which it does not tell callbacks; else None.

    The variables of a loop of one's own are not read: before Python 3.13, a frame whose variables
    were read keeps a copy of them until it ends, and so all that the loop deletes.
    """
    if driver is None or driver.f_code.co_name != "fit":
        return None
    of_keras = driver.f_globals.get("__name__", "").startswith("keras.")
    return driver.f_locals.get("x") if of_keras else None
