"""The rules about who may import what, for every file of the package."""

import ast
from pathlib import Path

import pytest

import keras_rnnkit

pytestmark = pytest.mark.no_backend

PACKAGE = Path(keras_rnnkit.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
BACKENDS = {"jax", "tensorflow", "torch"}
# What each room may import of the others (`callbacks` draws the curves of a training run and hands
# on the callbacks that need a model, and `models` draws the words of an attribution). `data` hands
# on the check of the padding, which needs a model; no file in it but its face may import a room.
ROOMS = {
    "cells": {"initializers"},
    "initializers": set(),
    "kernels": set(),
    "running": {"cells", "kernels"},
    "layers": {"cells", "kernels", "running"},
    "models": {"cells", "kernels", "layers", "plots", "running"},
    "plots": set(),
    "data": {"models"},
    "callbacks": {"models", "plots"},
    "text": {"callbacks", "data", "layers", "models"},
    "interop": {"cells", "initializers", "layers", "models", "running"},
}
# What every room may import: `_checks` and `_files` are what side rooms would write anew, checks of
# arguments and paths, and files that are written atomically. `_gate_statistics` has the formulas
# that both plots and models use. They import no room.
ROOT_MODULES = {"_backend", "_checks", "_files", "_gate_statistics", "_version"}


def imported_names(path):
    """Every name a file imports, `a.b` and `a.b.c` for `from a.b import c`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted_names(path):
    """Every `a.b.c` that a file writes out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def room_of(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_public_face_of_keras_is_used(path):
    names = {*imported_names(path), *dotted_names(path)}
    assert not {name for name in names if name.startswith(("keras.src", "keras.backend"))}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_backends_are_imported_in_kernels_and_interop_alone(path):
    if room_of(path) not in ("kernels", "interop"):
        assert not {name for name in imported_names(path) if name.partition(".")[0] in BACKENDS}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_between_the_rooms_run_downward(path):
    room = room_of(path)
    if room is None:
        return
    names = {
        name.split(".")[1] for name in imported_names(path) if name.startswith("keras_rnnkit.")
    }
    assert names - ROOT_MODULES <= {room, *ROOMS[room]}
    if room == "data" and path.name != "__init__.py":
        assert "models" not in names


def test_what_every_room_may_import_imports_no_room():
    for path in FILES:
        if room_of(path) is None and path.name != "__init__.py":
            names = {name for name in imported_names(path) if name.startswith("keras_rnnkit.")}
            assert not {name.split(".")[1] for name in names} - ROOT_MODULES
