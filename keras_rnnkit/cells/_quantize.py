"""Quantization as Keras starts it: recurrent weights keep their dtype."""

from typing import Any, NoReturn


class NotQuantized:
    """A mixin for a layer or cell that `model.quantize` leaves as it is, with a warning."""

    path: str

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> NoReturn:
        """Refuse quantization; `model.quantize` warns with this error and goes on.

        Args:
            mode: Such as `"int8"`.
            type_check: Not used.
            config: Not used.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            f"{type(self).__name__} '{self.path}' keeps its weights: Keras quantizes no recurrent "
            'layers. `keras_rnnkit.export_onnx(model, path, quantize="int8")` writes a file with '
            f"the weights of LSTM layers in eight bits. Received: mode={mode!r}"
        )
