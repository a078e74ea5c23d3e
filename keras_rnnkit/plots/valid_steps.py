"""The gates and states of a whole batch at its valid steps, for numbers for each unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_rnnkit.plots.parts import split_parts
from keras_rnnkit.plots.samples import read_arrays


@dataclass(frozen=True)
class ValidSteps:
    """The fields `(steps, units)` of one layer in one direction, the steps of all sequences."""

    title: str
    key: str
    fields: dict[str, np.ndarray]
    origin: Any  # of a trace; None for a trace that has none
    longest: int  # the number of valid steps of the longest sequence


def read_valid_steps(trace: Any) -> list[ValidSteps]:
    """The valid steps of each part of `trace`, or an error that says what is wrong with it."""
    found = []
    for part in split_parts(trace):
        arrays, mask = read_arrays(part)
        if not mask.any():
            raise ValueError(
                f"`trace{part.key}` must have a step that is not masked: all steps of all "
                f"sequences are. Received: trace{part.key}.mask.any()=False"
            )
        fields = {name: array[mask] for name, array in arrays.items()}
        for name, values in fields.items():
            if not np.isfinite(values).all():
                raise ValueError(
                    f"`trace{part.key}.{name}` must be finite. Check the weights and the inputs of "
                    f"the layer. Received: trace{part.key}.{name}={values[~np.isfinite(values)][0]}"
                )
        origin = getattr(part.trace, "origin", None)
        longest = int(mask.sum(axis=1).max())
        found.append(ValidSteps(part.title, part.key, fields, origin, longest))
    return found
