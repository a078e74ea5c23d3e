"""How PyTorch runs a call: as it is, recorded for an export, or changed by a transform."""

from typing import Any

import torch


def exporting() -> bool:
    """Whether PyTorch records the operations for a file, by tracing or by `torch.export`.

    `torch.compile` does not count: the kernels run beside its graphs, as they are.
    """
    compiler = torch.compiler
    of_torch_export = compiler.is_compiling() and not compiler.is_dynamo_compiling()
    return torch.jit.is_tracing() or of_torch_export


def exporting_to_onnx() -> bool:
    """Whether the file will be one of ONNX."""
    return torch.onnx.is_in_onnx_export()


@torch.compiler.disable  # which would look into the function
def transforming(*tensors: Any) -> bool:
    """Whether a transform of `torch.func` is at work, or forward mode on one of the tensors.

    PyTorch has no public name that says so, but there it refuses to run such a function as the
    kernels are.
    """
    try:
        _Probe.apply(torch.empty(0), *tensors)
    except RuntimeError:  # a NotImplementedError in forward mode is one, too
        return True
    return False


class _Probe(torch.autograd.Function):
    """A function without `setup_context` and `jvp`, and with nothing else that could fail."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> Any:
        return tensors[0].clone()
