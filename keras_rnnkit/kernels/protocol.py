"""What a backend has: the only way in which the other rooms reach it."""

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from keras import ops

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps


class Kernels(Protocol):
    """The functions of a backend, on tensors of that backend.

    A method that has a body here is the default, for backends that need nothing else.
    """

    def run(self, plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
        """Run a cell over whole sequences, differentiably.

        Args:
            plan: What is fixed.
            args: The tensors, time first.
            training: Whether a backward pass is to be expected.

        Returns:
            The last states, and of the steps what the plan asks for.
        """

    def linear_recurrence(self, a: Any, b: Any, first: Any) -> Any:
        """The states of `h = a h + b` after every step, computed sequentially, differentiably.

        Args:
            a: `(time, batch, units)`.
            b: `(time, batch, units)`.
            first: `(batch, units)`.

        Returns:
            `(time, batch, units)`.
        """

    def scan(self, step: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
        """Loop over time, like `keras.ops.scan`, for a step whose output is its carry.

        Args:
            step: Takes the carry and a slice of `xs`, and returns the new carry twice.
            init: The first carry, a structure of tensors.
            xs: A tuple of tensors `(time, ...)`.

        Returns:
            The last carry, and the carries of all steps, each tensor `(time, ...)`.
        """
        return ops.scan(step, init, xs)

    def recomputing_loop(
        self,
        step: Callable[..., Any],
        variables: list[Any],
        carry: Any,
        xs: Any,
        kinds: Any,
        draws: bool = False,
    ) -> tuple[Any, list[Any]]:
        """Loop over chunks of steps, each of which the backward pass runs again.

        Only the carries between the chunks are kept for the backward pass.

        Args:
            step: Takes the carry and a slice of `xs`, and returns the new carry and a list of
                tensors. It assigns no variable, and a second run gives the same result.
            variables: Those that it reads, of floats, as far as they may have a gradient.
            carry: The first carry, a structure of tensors of floats.
            xs: A list of tensors `(chunks, ...)`; those of floats may have a gradient.
            kinds: The dtype and the shape of each tensor that the step returns.
            draws: Whether the step may draw from the random generators of PyTorch.

        Returns:
            The last carry, and the tensors of all chunks, each `(chunks, ...)`.
        """

    def compiled(
        self, function: Callable[..., Any], variables: list[Any], xla: bool
    ) -> Callable[..., Any]:
        """The function of tensors, compiled where the backend does that, for prediction.

        Args:
            function: Takes and returns structures of tensors.
            variables: Those that it reads and assigns, as they are whenever it is called.
            xla: Whether XLA can compile it.
        """

    def as_one_program(
        self, function: Callable[..., Any], variables: list[Any]
    ) -> Callable[..., Any]:
        """The function as one compiled program, where the backend would not make it one anyway.

        Args:
            function: Takes structures of tensors, or `None`, the first one time first.
            variables: Those that it reads.
        """
        return function

    def recompiles_loops(self, *values: Any) -> bool:
        """Whether each loop over these structures of tensors is compiled anew in every call.

        So it is where JAX is called eagerly: `call_compiled`, or a loop in Python, avoids it.
        """
        return False

    def call_compiled(
        self, cell: Any, function: Callable[..., Any], fixed: Hashable, *args: Any, **options: Any
    ) -> Any:
        """The result of `function(cell, *args, **options)`, compiled once where that saves time.

        Args:
            cell: The cell. Its variables are read as they are now.
            function: It changes nothing.
            fixed: All that it depends on, beside the variables of the cell and its arguments.
            *args: Structures of tensors.
            **options: What is fixed when the function is compiled.
        """
        return function(cell, *args, **options)

    def value_and_gradients(
        self, function: Callable[..., Any], tensors: list[Any]
    ) -> tuple[Any, list[Any]]:
        """A value, and its gradients; Keras itself has no function for them.

        Args:
            function: `function(*tensors)` returns a scalar tensor, and assigns no variable.
            tensors: Tensors of floats of any shapes.

        Returns:
            The value, and a list of its gradients by the tensors, in their shapes and dtypes: zeros
            for those that the function does not use.
        """

    def as_array(self, tensor: Any) -> Any:
        """A tensor as a NumPy array: a view of it where there can be one, and it may be read-only.

        `keras.ops.convert_to_numpy` always copies.
        """
        return ops.convert_to_numpy(tensor)

    def with_batch_size(self, tensor: Any, batch: int) -> Any:
        """The same tensor `(batch, ...)`, where the backend did not know its batch size yet."""
        return tensor

    def on_gpu(self, variable: Any) -> bool:
        """Whether a layer computes on a GPU.

        Args:
            variable: One of its weights, a Keras variable; `None` where there are none yet, for
                the default device.
        """

    def has_onednn(self) -> bool:
        """Whether the backend has the layers of oneDNN, and may use them."""
        return False

    def exporting(self) -> bool:
        """Whether the operations of this call are recorded for a file that cannot hold kernels."""
        return False

    def export_format(self) -> str:
        """The format of that file: "ONNX", "LiteRT" or "OpenVINO"; "" for any other."""
        return ""

    def shared(self, *layers: Any) -> AbstractContextManager[None]:
        """The context of operations on the weights of layers that other threads may call now."""

    def transforming(self, *tensors: Any) -> bool:
        """Whether a transform to which the kernels do not apply works on these tensors."""
        return False
