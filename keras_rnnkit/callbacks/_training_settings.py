"""The loss and the settings of the optimizer, which a resumed run must have in common."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

import keras

# The learning rate is a variable, which a checkpoint has; callbacks may change it.
_NOT_COMPARED = ("name", "build_config", "shared_object_id")


def of_optimizer(optimizer: Any) -> dict[str, Any]:
    """The settings of the optimizer by their name, without the learning rate."""
    config = dict(optimizer.get_config())
    inner = config.pop("inner_optimizer", None)  # of a loss scale
    if inner is not None:
        config |= {"inner optimizer": inner["class_name"], **inner["config"]}
    if not isinstance(config.get("learning_rate"), dict):  # a schedule is compared
        config.pop("learning_rate", None)
    return {name: _plain(value) for name, value in config.items() if name not in _NOT_COMPARED}


def of_loss(model: keras.Model) -> dict[str, Any]:
    """The loss, and the weights of several losses."""
    return {"loss": _plain(_loss(model.loss)), "loss_weights": _plain(_loss_weights(model))}


def as_text(config: Any) -> str:
    """A config as JSON, without what says nothing: names that count up, and code of lambdas."""
    return json.dumps(_without_names(config), sort_keys=True, default=_described)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else as_text(value)


def _loss(loss: Any) -> Any:
    """A loss by the name of its function, or by its class and settings; several as they are."""
    if isinstance(loss, dict):
        return {name: _loss(one) for name, one in loss.items()}
    if isinstance(loss, list | tuple):
        return [_loss(one) for one in loss]
    if isinstance(loss, str):
        loss = keras.losses.get(loss)  # "mse" and "mean_squared_error" are the same
    if isinstance(loss, keras.losses.Loss):
        return {"class_name": type(loss).__name__, "settings": _settings(loss)}
    return getattr(loss, "__name__", None if loss is None else type(loss).__name__)


def _loss_weights(model: keras.Model) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one says that a lambda is not saved, nor is it here
            return model.get_compile_config().get("loss_weights")
    except (NotImplementedError, TypeError, ValueError):  # of a metric that has no config
        return None


def _settings(loss: keras.losses.Loss) -> dict[str, Any]:
    """The numbers and texts that a loss has; the configs of Keras' own leave some out."""
    return {name: value for name, value in vars(loss).items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | float | None)


def _described(value: Any) -> str:
    """A value that JSON does not have, without its address, which differs in each process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _without_names(config: Any) -> Any:
    """Automatic names count up with every layer that is made, so they say nothing.

    Nor does the code of a lambda: it has its line and its file, which change with the script.
    """
    if isinstance(config, dict):
        if config.get("class_name") == "__lambda__":
            return "lambda"
        return {key: _without_names(one) for key, one in config.items() if key not in _NOT_COMPARED}
    if isinstance(config, list | tuple):
        return [_without_names(one) for one in config]
    return config
