"""The options that the presets have in common."""

from __future__ import annotations

from numbers import Real

import keras

from keras_rnnkit._checks import check_choice, check_integer
from keras_rnnkit.callbacks.monitoring import ValidationFrequency, check_frequency
from keras_rnnkit.callbacks.parts import SkippingReduceLROnPlateau


def check_options(
    monitor: str, mode: str, patience: int, validation_freq: ValidationFrequency
) -> None:
    """Refuse options of early stopping that are wrong."""
    if not isinstance(monitor, str) or not monitor:
        raise ValueError(
            "`monitor` must be the name of a metric in the logs, such as 'val_loss'. "
            f"Received: monitor={monitor!r}"
        )
    check_choice(mode, "mode", ("auto", "min", "max"))
    check_integer(patience, "patience", least=1, most=None)
    check_frequency(validation_freq)


def reduction(
    factor: float | None, own_patience: int | None, patience: int | None, options: dict[str, str]
) -> list[keras.callbacks.Callback]:
    """No callback without a factor, else the one that lowers the learning rate."""
    if factor is None:
        if own_patience is not None:
            raise ValueError(
                "`reduce_lr_patience` has no effect without `reduce_lr`. Pass, for example, "
                f"reduce_lr=0.5. Received: reduce_lr_patience={own_patience!r}"
            )
        return []
    if not isinstance(factor, Real) or not 0 < factor < 1:
        raise ValueError(
            "`reduce_lr` must be None or a factor between 0 and 1, such as 0.5. "
            f"Received: reduce_lr={factor!r}"
        )
    if own_patience is None:
        own_patience = 1 if patience is None else max(1, patience // 2)
    check_integer(own_patience, "reduce_lr_patience", least=1, most=None)
    if patience is not None and own_patience >= patience:
        raise ValueError(
            f"`reduce_lr_patience` must be less than patience={patience}, or training stops "
            f"before the learning rate is reduced. Received: reduce_lr_patience={own_patience}"
        )
    return [SkippingReduceLROnPlateau(factor=factor, patience=own_patience, **options)]
