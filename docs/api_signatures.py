"""Griffe extension: signatures of cells and of records.

A cell takes `units, *args, **kwargs` and its own arguments, and Keras' cell takes the rest. The
API shows them all, in the order in which they are taken, and what comes after `*` by name alone. A
record, a named tuple, has its fields for a signature.
"""

import importlib.util
from pathlib import Path

import griffe

KERAS_CELLS = {"LSTMCell": "lstm", "GRUCell": "gru", "SimpleRNNCell": "simple_rnn"}
BY_NAME = griffe.ParameterKind.keyword_only
NO_ARGUMENTS = ("self", "args", "kwargs")


class Signatures(griffe.Extension):
    """Fills in the signatures once the package is read."""

    def on_package(self, *, pkg, **_):
        for found in classes(pkg):
            record = "NamedTuple" in map(str, found.bases)
            filled = fields(found) if record else parameters(found, pkg)
            if filled:
                found.set_member("__init__", griffe.Function("__init__", parameters=filled))


def classes(module):
    """Every class of a module and of those below it."""
    yield from module.classes.values()
    for below in module.modules.values():
        yield from classes(below)


def fields(record):
    """The fields of a named tuple, as arguments."""
    annotated = [found for found in record.attributes.values() if found.annotation is not None]
    named = [griffe.Parameter(found.name, default=found.value) for found in annotated]
    return griffe.Parameters(griffe.Parameter("self"), *named)


def parameters(cell, package):
    """All arguments of a cell that hands some on, or None."""
    bases = [base.canonical_path for base in cell.bases]
    keras = [base.split(".")[-1] for base in bases if base.startswith("keras.layers.")]
    own = [cell, *(package[base.partition(".")[2]] for base in bases if base.startswith("keras_"))]
    inits = [found.members["__init__"] for found in own if "__init__" in found.members]
    if not inits or "args" not in inits[0].parameters or not set(keras) & set(KERAS_CELLS):
        return None
    taken = {}
    for parameter in (parameter for init in inits for parameter in init.parameters):
        if parameter.name not in NO_ARGUMENTS:
            taken.setdefault(parameter.name, parameter)
    first = [found for found in taken.values() if found.kind is not BY_NAME]
    handed = [found for found in keras_parameters(keras[0]) if found.name not in taken]
    named = [found for found in taken.values() if found.kind is BY_NAME]
    rest = [found for found in inits[0].parameters if found.name == "kwargs"]
    return griffe.Parameters(griffe.Parameter("self"), *first, *handed, *named, *rest)


def keras_parameters(name):
    """The arguments of Keras' cell, as its source has them: nothing is imported."""
    keras = Path(importlib.util.find_spec("keras").origin).parent
    file = keras / "src" / "layers" / "rnn" / f"{KERAS_CELLS[name]}.py"
    module = griffe.visit(file.stem, filepath=file, code=file.read_text("utf-8"))
    found = module[name].members["__init__"].parameters
    return [parameter for parameter in found if parameter.name not in NO_ARGUMENTS]
