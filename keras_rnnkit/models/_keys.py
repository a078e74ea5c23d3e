"""The keys of recurrent layers, of their calls and of the parts of their traces."""

from collections import Counter
from typing import Any


def unique_keys(named_layers: list[tuple[str, Any]]) -> dict[str, Any]:
    """Layers by name, or by path where several have that name.

    Args:
        named_layers: The path of each layer, such as `"encoder/lstm"`, and the layer.
    """
    names = Counter(layer.name for _, layer in named_layers)
    paths = Counter(path for path, _ in named_layers)
    keyed: dict[str, Any] = {}
    for path, layer in named_layers:
        key = layer.name if names[layer.name] == 1 else path
        number = sum(call == key or call.startswith(f"{key}#") for call in keyed)
        key = f"{key}#{number + 1}" if paths[path] > 1 and number else key
        check_new(key, keyed)
        keyed[key] = layer
    return keyed


def call_key(key: str, calls: int) -> str:
    """The key of a call of a layer, after that many calls before it."""
    return f"{key}:{calls}" if calls else key


def target_of(targets: dict[str, Any], key: str) -> Any:
    """The target of the key of a call, such as `"lstm:1"`."""
    return targets[key] if key in targets else targets[key.rpartition(":")[0]]


def check_new(key: str, others: Any) -> None:
    """Refuse a key that another layer or call has already."""
    if key in others:
        raise ValueError(
            "The recurrent layers of the model must have names from which their keys are unique; "
            "rename one of them. ':' and '#' in a name may cause this. "
            f"Received: two layers or calls with the key={key!r}"
        )


def part_key(name: str, part: Any) -> str:
    """The key of a part of a trace, such as `"bidirectional.forward"`, or `"rnn.0"` of a stack."""
    return f"{name}.{part}" if name else str(part)
