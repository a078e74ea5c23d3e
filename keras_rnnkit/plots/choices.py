"""Which fields and which units are drawn, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from keras_rnnkit._checks import is_integer
from keras_rnnkit.plots.heads import effect
from keras_rnnkit.plots.kinds import Kind, kind_of
from keras_rnnkit.plots.samples import PartSample

Units = int | Iterable[int] | None


def chosen_fields(part: PartSample, fields: str | Iterable[str] | None) -> list[str]:
    """The names of the fields to draw, in the requested order; or all of them, gates first."""
    if fields is None:
        kinds = list(Kind)
        return sorted(part.fields, key=lambda name: kinds.index(kind_of(name, part.fields[name])))
    names = [fields] if isinstance(fields, str) else list(fields)
    unknown = [name for name in names if name not in part.fields]
    if unknown or not names:
        raise ValueError(
            f"`fields` must be some of the fields of `trace{part.key}`: {list(part.fields)}. "
            f"Received: fields={fields!r}"
        )
    return list(dict.fromkeys(names))


def chosen_units(
    part: PartSample,
    names: list[str],
    units: Units,
    default: int,
    head: Callable[[Any], Any] | None,
) -> dict[str, list[int]]:
    """The units to draw of each of these fields, the most important one first.

    Fields of one width have the same units, so that rows can be compared between panels.
    """
    widths = {part.fields[name].shape[1] for name in names}
    if isinstance(units, Iterable):
        numbers = list(units)
        _check_numbers(numbers, min(widths), units)
        return dict.fromkeys(names, numbers)
    count = default if units is None else units
    if not is_integer(count) or count < 1:
        raise ValueError(
            "`units` must be a positive number of units, or a list of their numbers. "
            f"Received: units={units!r}"
        )
    order = {width: _order(part, width, head)[:count] for width in widths}
    return {name: order[part.fields[name].shape[1]] for name in names}


def _check_numbers(numbers: list[int], width: int, units: Units) -> None:
    if not numbers or not all(is_integer(n) and 0 <= n < width for n in numbers):
        raise ValueError(
            f"`units` must be a positive number of units, or a list of numbers from 0 to "
            f"{width - 1}, each that of a unit of every field that is drawn. "
            f"Received: units={units!r}"
        )


def _order(part: PartSample, width: int, head: Callable[[Any], Any] | None) -> list[int]:
    """All units of this width, the most important first; equal ones in their own order."""
    states = [name for name, values in part.fields.items() if values.shape[1] == width]
    name = "hidden" if "hidden" in states else states[-1]
    values = part.fields[name]
    importance = effect(head, values) if head and name == "hidden" else values.std(axis=0)
    return [int(unit) for unit in np.argsort(-importance, kind="stable")]
