"""The form of a recurrent module of `torch.nn`, from the names and shapes of its parameters."""

import re

import numpy as np

from keras_rnnkit.interop.gate_blocks import ORDERS, gate_count
from keras_rnnkit.interop.torch.form import KINDS, MODULES, Form

NAME = re.compile(
    r"(?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(?P<layer>[0-9]{1,18})(?:_reverse)?"
)


def form_of(state: dict[str, np.ndarray], kind: str | None) -> Form:
    """The form of the module that has these parameters, which do not tell its dropout.

    Args:
        state: The parameters by name, `weight_ih_l0` and so on.
        kind: One of `KINDS`, or `None` to infer it.

    Raises:
        ValueError: If a parameter is missing, unknown or of another shape, if the kind is not that
            of the parameters, or if it must be given.
    """
    _check_names(state)
    first, recurrent = _matrix(state, "weight_ih_l0"), _matrix(state, "weight_hh_l0")
    projected = "weight_hr_l0" in state
    projection, units = _matrix(state, "weight_hr_l0") if projected else (0, recurrent[1])
    name, activation = _kind(kind, recurrent[0], units, projected)
    form = Form(
        name,
        features=first[1],
        units=units,
        layers=1 + max(_layer(parameter) for parameter in state),
        bidirectional=any(parameter.endswith("_reverse") for parameter in state),
        bias=any(parameter.startswith("bias") for parameter in state),
        projection=projection,
        activation=activation,
    )
    _check_shapes(state, form)
    return form


def _layer(name: str) -> int:
    found = NAME.fullmatch(name)
    assert found is not None  # after `_check_names`
    return int(found["layer"])


def _check_names(state: dict[str, np.ndarray]) -> None:
    unknown = [name for name in state if not NAME.fullmatch(name)]
    if unknown or not state:
        raise ValueError(
            "`source` must hold the parameters of one torch.nn.LSTM, GRU or RNN, named "
            "`weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, ... Select them with `prefix=`; remove "
            "parametrizations, such as weight_norm, before. "
            f"Received: unknown names={unknown}"
        )
    # Else a damaged file could ask for billions of layers.
    count = 1 + max(map(_layer, state))
    if count > len(state):
        raise ValueError(
            "`source` must hold the parameters of every layer, counted from 0. "
            f"Received: layers={count}, names={list(state)}"
        )


def _matrix(state: dict[str, np.ndarray], name: str) -> tuple[int, int]:
    """The shape of a parameter that must be there, with two sizes."""
    shape = state[name].shape if name in state else None
    if shape is None or len(shape) != 2 or 0 in shape:
        raise ValueError(
            f"`source` must hold the parameter `{name}` with two sizes. "
            f"Received: {name}.shape={shape}, names={list(state)}"
        )
    return shape[0], shape[1]


def _kind(kind: str | None, rows: int, units: int, projected: bool) -> tuple[str, str]:
    """The kind and its activation."""
    found = [
        name
        for name in ORDERS
        if rows == gate_count(name) * units and (name == "lstm" or not projected)
    ]
    if not found:
        raise ValueError(
            "`source` must hold the parameters of a torch.nn.LSTM, GRU or RNN, where "
            "`weight_hh_l0` has 4, 3 or 1 rows for each unit (4 with `proj_size`). "
            f"Received: rows={rows}, units={units}"
        )
    if kind is None:
        if found == ["simple_rnn"]:
            raise ValueError(
                "`kind` must be given for the parameters of a torch.nn.RNN, which do not tell its "
                "activation: kind='rnn_tanh' (the default of torch.nn.RNN) or kind='rnn_relu'. "
                f"Received: kind={kind!r}"
            )
        return KINDS[found[0]]
    if KINDS[kind][0] not in found:
        raise ValueError(
            "`kind` must be that of the parameters, which are those of a "
            f"torch.nn.{MODULES[found[0]]}. Leave it out to infer it from their shapes. "
            f"Received: kind={kind!r}"
        )
    return KINDS[kind]


def _check_shapes(state: dict[str, np.ndarray], form: Form) -> None:
    shapes = form.shapes()
    missing = [name for name in shapes if name not in state]
    surplus = [name for name in state if name not in shapes]
    if missing or surplus:
        raise ValueError(
            f"`source` must hold every parameter of a module with {form.layers} layer(s), "
            f"bidirectional={form.bidirectional}, bias={form.bias}, proj_size={form.projection}. "
            f"Received: missing={missing}, unexpected={surplus}"
        )
    for name, shape in shapes.items():
        if state[name].shape != shape:
            raise ValueError(
                f"`source` must hold parameters whose shapes agree: `{name}` must have the shape "
                f"{shape}, as follows from `weight_ih_l0` and `weight_hh_l0`. "
                f"Received: {name}.shape={state[name].shape}"
            )
