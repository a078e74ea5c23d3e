"""A parser for the pickle of an object array of lists of integers, which calls nothing.

NumPy stores object arrays as pickles. A pickle is a program for a stack machine. Python's own
unpickler can limit the names that a program calls, but not its memory: ten bytes make it
allocate gigabytes, or nest tuples without end. The machine here has only the few instructions that
NumPy and Python write for such an array. Each needs no more memory than its own bytes, nothing is
ever called, and the number of instructions is bounded. `pickle.loads` receives only sequences of
three kinds of integer instructions, which a regular expression has checked before.

The errors in this file say what was found; the reader of the file adds what is expected.
"""

from __future__ import annotations

import pickle
import re
from array import array
from collections.abc import Callable
from typing import Any, TypeAlias

MOST_STEPS = 2**20  # instructions; the official file has 130,000 a split
MOST_STACKED = 2**20  # objects; Python's pickler writes at most 1,000 at a time
LONGEST_NAME = 64

Ranks: TypeAlias = "array[int]"
_NO_RANKS: Ranks = array("i")  # shared by all lists that are still empty
_NOTHING: list[Any] = []
_INTEGERS = re.compile(rb"(?:K.|M..|J.{4}){1,1000}+", re.DOTALL)
_GLOBAL = re.compile(rb"([!-~]{1,64})\n([!-~]{1,64})\n")


class _Name:
    """Represents a function or a class of NumPy or Python. It is compared, never called."""


_NDARRAY, _DTYPE, _RECONSTRUCT, _ENCODE, _OBJECTS, _FLAG = (_Name() for _ in range(6))
_NAMES = {
    (b"numpy", b"ndarray"): _NDARRAY,
    (b"numpy", b"dtype"): _DTYPE,
    (b"numpy.core.multiarray", b"_reconstruct"): _RECONSTRUCT,
    (b"numpy._core.multiarray", b"_reconstruct"): _RECONSTRUCT,
    (b"_codecs", b"encode"): _ENCODE,  # so Python 3 writes bytes for Python 2
}


class _List:
    """A list of integers (`ranks`), or of other objects (`others`)."""

    __slots__ = ("others", "ranks")

    def __init__(self) -> None:
        self.ranks = _NO_RANKS
        self.others: list[Any] = _NOTHING

    def extend(self, items: list[Any]) -> None:
        if items and type(items[0]) is int:
            self.ranks = self.ranks or array("i")
            self.ranks.fromlist(items)  # raises unless all are integers of 32 bits
        else:
            self.others = self.others or []
            self.others.extend(items)


class _Array:
    """An object array; a later instruction sets its items."""

    items: _List | None = None


def read_lists(content: bytes, at: int) -> list[Ranks]:
    """Returns the lists of an object array, whose pickle starts at `at`.

    Raises:
        ValueError: The pickle is something else, incomplete, or too long.
    """
    machine = _Machine(content, at)
    try:
        machine.run()
        stored = machine.stack.pop()
    except (IndexError, KeyError) as error:
        raise ValueError("an incomplete pickle") from error
    except (TypeError, OverflowError) as error:
        raise ValueError(f"a list with other items than word ranks ({error})") from error
    if type(stored) is not _Array or stored.items is None:
        raise ValueError("a pickle that is not an array of objects")
    return [_ranks(one) for one in stored.items.others]


def _ranks(review: Any) -> Ranks:
    if type(review) is not _List or review.others:
        raise ValueError("a review that is not a list of integers")
    return review.ranks


class _Machine:
    def __init__(self, content: bytes, at: int) -> None:
        self.content = content
        self.at = at
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> None:
        for _ in range(MOST_STEPS):
            code = self.content[self.at]
            if code == _STOP:
                return
            action = _ACTIONS.get(code)
            if action is None:
                raise ValueError(
                    f"a pickle with the instruction {bytes([code])!r}, which was refused: no "
                    "array of lists of integers needs it"
                )
            self.at += 1
            action(self)
        raise ValueError(f"a pickle of more than {MOST_STEPS} instructions")

    def take(self, count: int) -> bytes:
        start, self.at = self.at, self.at + count
        if self.at > len(self.content):
            raise ValueError("an incomplete pickle")
        return self.content[start : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def integers(self) -> None:
        run = _INTEGERS.match(self.content, self.at - 1)
        if run is None or len(self.stack) > MOST_STACKED:
            raise ValueError("an incomplete pickle, or one with too many integers on its stack")
        self.stack += pickle.loads(b"](" + run[0] + b"e.")
        self.at = run.end()

    def long(self) -> int:
        return int.from_bytes(self.take(self.number(1)), "little", signed=True)

    def string(self, width: int) -> None:
        length = self.number(width)
        if length > LONGEST_NAME:
            raise ValueError(f"a text of {length} bytes in a pickle")
        self.stack.append(self.take(length))

    def global_in_lines(self) -> None:
        names = _GLOBAL.match(self.content, self.at)
        if names is None:
            raise ValueError("a pickle with an import of an unusual name, which was refused")
        self.at = names.end()
        self.push_name(names[1], names[2])

    def global_on_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not bytes or type(module) is not bytes:
            raise ValueError("a pickle with an import whose name is not text, which was refused")
        self.push_name(module, name)

    def push_name(self, module: bytes, name: bytes) -> None:
        known = _NAMES.get((module, name))
        if known is None:
            imported = f"{module.decode('utf-8', 'replace')}.{name.decode('utf-8', 'replace')}"
            raise ValueError(
                f"a pickle that imports `{imported}`, which was refused: the file may have been "
                "tampered with"
            )
        self.stack.append(known)

    def since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def pair(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not _List:
            raise ValueError("a pickle that appends to something else than a list")
        self.stack[-1].extend(items)

    def call(self) -> None:
        """Replaces the call of a function that creates an empty object array or its dtype."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(arguments) is not tuple or len(arguments) not in (2, 3):
            raise ValueError("a pickle that creates something else than an array")
        first = arguments[0]
        if function is _ENCODE and type(first) is bytes:
            self.stack.append(first)
        elif function is _RECONSTRUCT:
            if first is not _NDARRAY:
                raise ValueError("an array of another class than `numpy.ndarray`")
            self.stack.append(_Array())
        elif function is _DTYPE:
            if type(first) is not bytes or first not in (b"O8", b"O4", b"O"):
                found = repr(first) if type(first) is bytes else "something else"
                raise ValueError(f"an array of dtype {found} instead of objects")
            self.stack.append(_OBJECTS)
        else:
            raise ValueError("a pickle that calls something else than a function")

    def set_state(self) -> None:
        """Sets the items of an array; the byte order and the flags of a dtype are ignored."""
        state, owner = self.stack.pop(), self.stack[-1]
        if owner is _OBJECTS:
            return
        if type(owner) is not _Array or type(state) is not tuple or len(state) != 5:
            raise ValueError("a pickle that sets the state of something else than an array")
        _, shape, dtype, _, items = state
        if dtype is not _OBJECTS or type(items) is not _List or items.ranks:
            raise ValueError("an array whose items are not lists")
        if type(shape) is not tuple or shape != (len(items.others),):
            raise ValueError("an array whose shape does not match its items")
        owner.items = items

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]


_STOP = ord(".")
_ACTIONS: dict[int, Callable[[_Machine], Any]] = {
    ord(code): action
    for code, action in {
        "\x80": lambda machine: machine.take(1),  # the protocol
        "\x95": lambda machine: machine.take(8),  # the length of a frame
        **dict.fromkeys("KMJ", _Machine.integers),
        "\x8a": lambda machine: machine.stack.append(machine.long()),
        "]": lambda machine: machine.stack.append(_List()),
        "(": lambda machine: machine.marks.append(len(machine.stack)),
        "e": lambda machine: machine.extend(machine.since_mark()),
        "a": lambda machine: machine.extend([machine.stack.pop()]),
        "\x94": lambda machine: machine.remember(len(machine.memo)),
        "q": lambda machine: machine.remember(machine.number(1)),
        "r": lambda machine: machine.remember(machine.number(4)),
        "h": lambda machine: machine.stack.append(machine.memo[machine.number(1)]),
        "j": lambda machine: machine.stack.append(machine.memo[machine.number(4)]),
        "N": lambda machine: machine.stack.append(None),
        "\x88": lambda machine: machine.stack.append(_FLAG),
        "\x89": lambda machine: machine.stack.append(_FLAG),
        ")": lambda machine: machine.stack.append(()),
        "\x85": lambda machine: machine.pair(1),
        "\x86": lambda machine: machine.pair(2),
        "\x87": lambda machine: machine.pair(3),
        "t": lambda machine: machine.stack.append(tuple(machine.since_mark())),
        **dict.fromkeys("CU\x8c", lambda machine: machine.string(1)),
        "X": lambda machine: machine.string(4),
        "c": _Machine.global_in_lines,
        "\x93": _Machine.global_on_stack,
        "R": _Machine.call,
        "b": _Machine.set_state,
    }.items()
}
