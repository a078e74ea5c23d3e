"""No file of the package writes another in place: everything goes through `replacing`."""

import ast

import pytest

from tests.packaging.test_architecture import FILES, PACKAGE

pytestmark = pytest.mark.no_backend

# Calls that write a file, or may; what a name stands for is not known, so the list is wide.
WRITING = {
    *("write_text", "write_bytes", "touch", "mkstemp", "NamedTemporaryFile", "urlretrieve"),
    *("savefig", "imsave", "savez", "savez_compressed", "savetxt", "tofile", "memmap", "dump"),
    *("save", "save_model", "save_weights", "export", "get_file", "to_csv", "to_json_file"),
    *("copy2", "copyfile", "copyfileobj", "move", "rename", "make_archive", "print_png"),
}
KERAS_WRITERS = {"BackupAndRestore", "CSVLogger", "ModelCheckpoint", "TensorBoard"}


def writing_calls(tree):
    """Yields the calls in a module that write a file in place."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not writes(node):
            continue
        above = [node]
        while above[-1] in parents:
            above.append(parents[above[-1]])
        if not any(opens_aside(one) or is_let_through(one, node) for one in above):
            yield ast.unparse(node)


def writes(call):
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("open", "fdopen"):
        strings = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
        modes = [s for s in strings if isinstance(s, str) and set(s) <= set("rwaxbt+")]
        flags = ("O_WRONLY", "O_RDWR", "O_CREAT")
        return any(set(m) & set("wax+") for m in modes) or any(
            f in ast.unparse(call) for f in flags
        )
    whole = ast.unparse(call.func)
    return name in WRITING | KERAS_WRITERS or whole in ("os.replace", "shutil.copy")


def opens_aside(node):
    """Whether this is a `with replacing(...)`."""
    return isinstance(node, ast.With) and any(
        ast.unparse(item.context_expr).startswith("replacing(") for item in node.items
    )


def is_let_through(node, call):
    """Whether this function makes the `io.BytesIO` that the call writes to, or hands it on."""
    if not isinstance(node, ast.FunctionDef):
        return False
    if ast.unparse(call.func) == f"super().{node.name}":
        return True
    buffers = {
        ast.unparse(name)
        for one in ast.walk(node)
        for name, value in made_in(one)
        if name and ast.unparse(value) in ("io.BytesIO()", "BytesIO()")
    }
    return any(ast.unparse(argument) in buffers for argument in call.args)


def made_in(node):
    """The names that a statement makes, and of what."""
    if isinstance(node, ast.Assign):
        return [(node.targets[0], node.value)]
    if isinstance(node, ast.With):
        return [(item.optional_vars, item.context_expr) for item in node.items]
    return []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_writes_a_file_in_place(path):
    if path.name != "_files.py":
        assert list(writing_calls(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "path.open('r+')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.fdopen(handle, 'wb')",
        "io.open(path, 'x')",
        "path.write_text('x')",
        "np.savez(path, x=x)",
        "model.save(path)",
        "figure.savefig(path)",
        "json.dump(x, file)",
        "keras.callbacks.ModelCheckpoint(path)",
        "def f():\n    stream = io.BytesIO()\n    figure.savefig(path)",
        "def save(self, path):\n    super().savefig(path)",
        "with replacing(path) as aside:\n    pass\nopen(path, 'w')",
    ],
)
def test_what_writes_in_place_is_found(source):
    assert len(list(writing_calls(ast.parse(source)))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'rb')",
        "open(path, newline='', encoding='utf-8')",
        "text.replace('a', 'w')",
        "with replacing(path) as aside:\n    model.save(aside)",
        "with replacing(path) as aside, open(aside, 'wb') as file:\n    file.write(x)",
        "def f():\n    stream = io.BytesIO()\n    figure.savefig(stream, format='png')",
        "def f():\n    with io.BytesIO() as stream:\n        figure.savefig(stream)",
        "def savefig(self, path):\n    super().savefig(path)",
        "class Mine(keras.callbacks.ModelCheckpoint):\n    pass",
    ],
)
def test_what_does_not_is_let_through(source):
    assert list(writing_calls(ast.parse(source))) == []
