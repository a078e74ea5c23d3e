"""How PyTorch runs and differentiates functions of the package, and how it runs a call."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from keras import ops

from keras_rnnkit.kernels._torch_recompute import recomputing_loop
from keras_rnnkit.kernels.protocol import Kernels

# The packages, or modules, that record a call for a file of a format.
_EXPORTERS = {
    "keras.src.export.litert": "LiteRT",
    "keras.src.export.openvino": "OpenVINO",
    "litert_torch": "LiteRT",
    "openvino": "OpenVINO",
}


def exporting() -> bool:
    """Whether PyTorch records the operations for a file, by tracing or by `torch.export`.

    `torch.compile` does not count: the kernels run between its graphs, as they are.
    """
    compiler = torch.compiler
    of_torch_export = compiler.is_compiling() and not compiler.is_dynamo_compiling()
    return torch.jit.is_tracing() or of_torch_export


def _callers() -> Iterator[str]:
    """The modules of the functions that are running, and their packages, the innermost first."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        yield from (module, module.partition(".")[0])
        frame = frame.f_back


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


class TorchCalls(Kernels):
    """The members of the protocol beside the kernels themselves."""

    def recomputing_loop(
        self,
        step: Callable[..., Any],
        variables: list[Any],
        carry: Any,
        xs: Any,
        kinds: Any,
        draws: bool = False,
    ) -> tuple[Any, list[Any]]:
        return recomputing_loop(step, variables, carry, xs, draws)

    def compiled(
        self, function: Callable[..., Any], variables: list[Any], xla: bool
    ) -> Callable[..., Any]:
        return torch.no_grad()(function)

    def value_and_gradients(
        self, function: Callable[..., Any], tensors: list[Any]
    ) -> tuple[Any, list[Any]]:
        # The `grad` of parameters stays as it is, and the results belong to no graph.
        with torch.inference_mode(False), torch.enable_grad():
            # Copies, since a tensor of inference mode has no gradient.
            leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
            value = function(*leaves)
            if not value.requires_grad:  # it uses none of them
                return value, [torch.zeros_like(leaf) for leaf in leaves]
            options = {"allow_unused": True, "materialize_grads": True}
            gradients = torch.autograd.grad(value, leaves, **options)
        return value.detach(), list(gradients)

    def as_array(self, tensor: Any) -> Any:
        if not isinstance(tensor, torch.Tensor) or tensor.dtype == torch.bfloat16:
            return super().as_array(tensor)
        return tensor.detach().cpu().numpy()

    def on_gpu(self, variable: Any) -> bool:
        tensor = ops.zeros(()) if variable is None else variable.value
        return tensor.device.type == "cuda"

    def has_onednn(self) -> bool:
        return torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled

    def exporting(self) -> bool:
        return exporting()

    def export_format(self) -> str:
        if torch.onnx.is_in_onnx_export():
            return "ONNX"
        return next((_EXPORTERS[name] for name in _callers() if name in _EXPORTERS), "")

    @contextmanager
    def shared(self, *layers: Any) -> Iterator[None]:
        # The first operation on a parameter makes the node that accumulates its gradient. PyTorch
        # has a lock of the parameter then, and may wait for Python's lock. `w[0]`, `w.T` and
        # `Function.apply` have Python's and wait for that of the parameter: if two threads meet
        # so, neither goes on. A view keeps the node, so that the others find it. It must be
        # `w.view_as(w)`: of an argument, PyTorch has a second reference before it takes the lock of
        # the parameter, and needs Python's no more. One thread may do without views, since all that
        # it can meet have some: the main thread, where they would take a tenth of a small call.
        recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # and not run
        if recorded or torch.is_inference_mode_enabled() or _in_main_thread():
            yield
            return
        weights = [w for layer in layers for w in layer.parameters() if w.requires_grad]
        with torch.enable_grad():
            views = [weight.view_as(weight) for weight in weights]
        yield
        del views

    @torch.compiler.disable  # the compiler would trace the function
    def transforming(self, *tensors: Any) -> bool:
        # `torch.func`, or forward mode. PyTorch has no public name that says so, but there it
        # refuses to run a function without `setup_context` and `jvp`, as those of the kernels are.
        try:
            _Probe.apply(torch.empty(0), *tensors)
        except RuntimeError:  # a NotImplementedError in forward mode is one, too
            return True
        return False


class _Probe(torch.autograd.Function):
    """A function in which nothing else can fail."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> Any:
        return tensors[0].clone()
