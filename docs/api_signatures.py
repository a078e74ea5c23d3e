"""Griffe extension: the arguments that a cell hands on to Keras, in its signature.

A cell takes `units, *args, **kwargs` and its own arguments, and Keras' cell takes the rest. The
API shows them all, in the order in which they are taken, and what comes after `*` by name alone.
"""

import importlib.util
from pathlib import Path

import griffe

KERAS_CELLS = {"LSTMCell": "lstm", "GRUCell": "gru", "SimpleRNNCell": "simple_rnn"}
BY_NAME = griffe.ParameterKind.keyword_only
NO_ARGUMENTS = ("self", "args", "kwargs")


class KerasArguments(griffe.Extension):
    """Fills in the signatures of the cells once the package is read."""

    def on_package(self, *, pkg, **_):
        for module in pkg["cells"].modules.values():
            for cell in module.classes.values():
                filled = parameters(cell, pkg)
                if filled:
                    cell.set_member("__init__", griffe.Function("__init__", parameters=filled))


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
