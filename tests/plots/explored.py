"""What the page to explore should show, from the trace."""

import numpy as np
import pytest

from tests.support.pages import number

WORDS = ["the", "story", "is", "<b>slow</b>", "but", "the", "actors", "are", "&", "fine", "😀"]
TIME, UNITS = len(WORDS), 4


def expected(trace, step, unit, sample=0):
    """What the page shows there, from the trace."""
    shown = {}
    for name, values in trace._asdict().items():
        if name == "mask":
            continue
        row = values[sample, step].astype("float64")
        if unit is not None:
            shown[name] = row[unit]
        else:
            shown[name] = np.abs(row).mean() if (values < 0).any() else row.mean()
    return shown


def same(readings, trace, step, unit, sample=0):
    """Four decimals are shown; the stored values are closer than that."""
    values = expected(trace, step, unit, sample)
    return {name: readings[name] for name in values} == pytest.approx(values, abs=1.3e-4)


def heights(page):
    """The values of the line of the chart, read from its points and the grid."""
    points = page.one("#chart .line").get_attribute("d").replace("M", "L").split("L")[1:]
    ys = np.array([float(point.split()[1]) for point in points])
    ticks = [
        (float(line.get_attribute("y1")), number(text.text))
        for line, text in zip(
            page.all("#chart .grid, #chart .zero"),
            page.all("#chart .tick[text-anchor=end]"),
            strict=True,
        )
    ]
    (y0, value0), (y1, value1) = ticks[0], ticks[-1]
    return value0 + (ys - y0) * (value1 - value0) / (y1 - y0)
