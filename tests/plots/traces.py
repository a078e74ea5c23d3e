"""Traces to draw, and the panels of their pictures."""

from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit import plots

TIME, UNITS = 6, 3
WORDS = ["a", "truly", "$fine$", "and\nlong", "incomprehensibilities", "film"]


class LSTMLike(NamedTuple):
    input: Any
    forget: Any
    candidate: Any
    output: Any
    hidden: Any
    cell: Any
    mask: Any


class GRULike(NamedTuple):
    update: Any
    reset: Any
    candidate: Any
    hidden: Any
    mask: Any


class SimpleLike(NamedTuple):
    candidate: Any
    hidden: Any
    mask: Any


class OwnLike(NamedTuple):
    attention: Any
    mixture: Any
    memory: Any
    mask: Any


def array(low, high, seed=0, dtype="float32"):
    return np.random.default_rng(seed).uniform(low, high, (2, TIME, UNITS)).astype(dtype)


def lstm(mask=None, **changes):
    fields = {name: array(0, 1, seed) for seed, name in enumerate(("input", "forget", "output"))}
    fields |= {"candidate": array(-1, 1, 3), "hidden": array(-1, 1, 4), "cell": array(-4, 3, 5)}
    return LSTMLike(**fields | changes, mask=mask)


def simple(values, mask=None):
    return SimpleLike(values, values, mask)


def panels(figure):
    """Axes by field name; colour bars, which have no title, left out."""
    titles = {axes: axes.get_title(loc="left") for axes in figure.axes}
    return {title.split(":")[0]: axes for axes, title in titles.items() if title}


def limits(axes):
    return axes.images[0].get_clim()


def in_order(trace, *arguments, **options):
    """The panels with all units by number."""
    return panels(plots.gates(trace, *arguments, units=range(UNITS), **options))


def step_labels(figure):
    *_, last = panels(figure).values()
    return [text.get_text() for text in last.get_xticklabels()]
