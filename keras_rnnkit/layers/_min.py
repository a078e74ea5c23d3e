"""What the two minimal layers share: all but their cell."""

from typing import Any, ClassVar

import keras

from keras_rnnkit.layers._recurrent import Recurrent


class MinRecurrent(Recurrent, keras.layers.RNN):
    """A layer around a minimal cell, with the cell's arguments as its own."""

    cell_type: ClassVar[Any] = None

    def __init__(
        self,
        units: int,
        activation: Any = "linear",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        seed: int | None = None,
        return_gates: bool = False,
        path: str = "auto",
        **kwargs: Any,
    ) -> None:
        recurrent = sorted(name for name in kwargs if name.startswith("recurrent_"))
        if recurrent:
            raise ValueError(
                f"{type(self).__name__} has no `{recurrent[0]}`: its gates do not look at the "
                "state, so there is nothing between one step and the next to set. Leave it out, "
                "or use an `LSTM` or a `GRU`. "
                f"Received: {recurrent[0]}={kwargs[recurrent[0]]!r}"
            )
        cell = self.cell_type(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            seed=seed,
            name="cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )
        super().__init__(cell, return_gates=return_gates, path=path, **kwargs)

    @property
    def units(self) -> int:
        """The width of the state and of the output."""
        return self.cell.units

    def get_config(self) -> dict[str, Any]:
        of_cell, of_layer = self.cell.get_config(), super().get_config()
        del of_layer["cell"]
        return {**of_cell, **of_layer}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        return cls(**config)
