"""The arguments that the scripts of the grid share."""

import argparse
from collections.abc import Callable

from _grid import LAYERS, SHAPES, VARIANTS
from _results import BACKENDS


def some_of(allowed: tuple[str, ...]) -> Callable[[str], list[str]]:
    """A type for arguments that are names with commas between them."""

    def names(text: str) -> list[str]:
        unknown = set(text.split(",")) - set(allowed)
        if unknown:
            raise argparse.ArgumentTypeError(f"{sorted(unknown)} not in {', '.join(allowed)}")
        return text.split(",")

    return names


def grid_parser(description: str) -> argparse.ArgumentParser:
    """A parser that asks for a backend, and for what of the grid to measure: all of it."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    add_choice(parser, "--shapes", tuple(SHAPES))
    add_choice(parser, "--layers", LAYERS)
    add_choice(parser, "--variants", VARIANTS)
    parser.add_argument("--again", action="store_true", help="measure cells that are there, too")
    return parser


def add_choice(parser: argparse.ArgumentParser, name: str, allowed: tuple[str, ...]) -> None:
    """An argument that takes some of these names, and by default all."""
    parser.add_argument(name, type=some_of(allowed), default=list(allowed), metavar="A,B,...")
