"""Every backend's file has all that the protocol names, with the same arguments."""

import inspect

import pytest

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.kernels.protocol import Kernels

MEMBERS = [name for name in vars(Kernels) if not name.startswith("_")]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_has_the_arguments_of_the_protocol(name):
    _, *wanted = inspect.signature(getattr(Kernels, name)).parameters.values()
    found = inspect.signature(getattr(backend_kernels(), name)).parameters.values()
    assert [(p.name, p.kind, p.default) for p in found] == [
        (p.name, p.kind, p.default) for p in wanted
    ]


def test_a_backend_has_no_other_member():
    assert [name for name in dir(backend_kernels()) if not name.startswith("_")] == sorted(MEMBERS)
