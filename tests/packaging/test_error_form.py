"""Errors have Keras' form: what is expected, what to do, and at the end `Received: name=value`."""

import ast

import pytest

from tests.packaging.test_architecture import FILES, PACKAGE

pytestmark = pytest.mark.no_backend

# Errors in these files and functions say what was found in a file. They are caught where the path
# of the file is known, and their text becomes a part of an error in the usual form.
PARTS_OF_OTHERS = {
    "caching.py",
    "flat_headers.py",
    "flat_reading.py",
    "metadata.py",
    "pickled_lists.py",
    "reading.py",
}
CAUGHT = {
    "__getattr__",  # Python's own text
    "_check_replaceable",
    "_expect",
    "_refuse_constant",
    "without_repeats",
    "_without_header",
    "open_regular",
    "read_bounded",
}
CHECKED = [path for path in FILES if path.name not in PARTS_OF_OTHERS]


def raised_texts(path):
    """Yields the text of each error that a file raises, with `{...}` for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    caught = {node for one in functions if one.name in CAUGHT for node in ast.walk(one)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise) or node in caught or not isinstance(node.exc, ast.Call):
            continue
        # With the first, nothing was received; to the other, the exporter adds the usual form.
        if ast.unparse(node.exc.func) in ("ImportError", "Unsupported"):
            continue
        if node.exc.args and not ast.unparse(node.exc.func).startswith("_"):
            yield written(node.exc.args[0], functions)


def written(message, functions=()):
    """The text of an expression; of a call, the text that a function of the file returns."""
    if isinstance(message, ast.Constant):
        return str(message.value)
    if isinstance(message, ast.BinOp):
        return written(message.left, functions) + written(message.right, functions)
    if isinstance(message, ast.Call):
        (called,) = (one for one in functions if one.name == ast.unparse(message.func))
        return written(called.body[-1].value, functions)
    if not isinstance(message, ast.JoinedStr):
        return f"{{{ast.unparse(message)}}}"
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
        for part in message.values
    )


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_error_ends_with_what_was_received(path):
    for text in raised_texts(path):
        received = text.rpartition("Received: ")[2] if "Received: " in text else ""
        assert text.endswith(("{received}", "{error}")) or "=" in received, text
        assert not text.endswith("."), text


def test_there_are_errors_to_look_at():
    assert sum(1 for path in CHECKED for _ in raised_texts(path)) > 120
