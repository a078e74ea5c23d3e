"""Build the wheel and the sdist, install both in an empty environment, and run the sdist's tests.

Run by `tox -e build`. Needs `build` and `twine`, and nothing of the package.
"""

import argparse
import email
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("jax", "tensorflow", "torch")
# A part of the suite; the whole of it runs on every backend elsewhere.
OWN_TESTS = ("tests/test_public_names.py", "tests/data", "tests/callbacks", "tests/packaging")
PACKAGE_DATA = {".css", ".html", ".js"}  # of the page that kit.plots.explore writes
USE = """
import importlib.metadata, os, tempfile, keras_rnnkit as kit, numpy as np
assert kit.__version__ == importlib.metadata.version("keras-rnnkit"), kit.__version__
assert "site-packages" in kit.__file__, kit.__file__
output, trace = kit.LSTM(3, return_gates=True)(np.ones((2, 4, 5), "float32"))
assert tuple(trace.forget.shape) == (2, 4, 3)
page = kit.plots.explore(trace, None, os.path.join(tempfile.mkdtemp(), "page.html"))
assert page.stat().st_size > 10_000
print("keras_rnnkit", kit.__version__, "works")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--constraints", type=Path, help="the versions to install")
    parser.add_argument("--outdir", type=Path, help="an empty folder for the wheel and the sdist")
    arguments = parser.parse_args()
    constraints = arguments.constraints
    with tempfile.TemporaryDirectory() as folder:
        wheel, sdist = build(arguments.outdir or Path(folder, "dist"))
        check_contents(wheel, sdist)
        check_description(wheel)
        environment = Environment(Path(folder, "venv"), constraints)
        environment.install(str(wheel))
        check_import_without_backend(environment)
        environment.install(f"{wheel}[jax]")
        environment.python(USE)
        environment.uninstall()
        environment.install(f"{sdist}[jax,plot,test]")
        environment.python(USE)
        environment.test(unpack(sdist, folder), *OWN_TESTS)


def unpack(sdist, folder):
    """The folder of the unpacked sdist."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return Path(folder, sdist.name.removesuffix(".tar.gz"))


def build(folder):
    """The wheel, built from the sdist, and the sdist."""
    folder = folder.resolve()
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    return wheel, sdist


def check_contents(wheel, sdist):
    """The wheel holds the package alone, the sdist everything needed to run its own checks."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    foreign = {top for top in tops if top != "keras_rnnkit" and not top.endswith(".dist-info")}
    assert not foreign, f"the wheel holds {foreign}"
    files = [file for file in (ROOT / "keras_rnnkit").rglob("*") if file.suffix in PACKAGE_DATA]
    data = {file.relative_to(ROOT).as_posix() for file in files}
    lacking = {"keras_rnnkit/py.typed", *data} - set(zipfile.ZipFile(wheel).namelist())
    assert data and not lacking, f"the wheel lacks {lacking}"
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("keras_rnnkit", "tests", "examples", "benchmarks", "docs")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    needed = data | {file.relative_to(ROOT).as_posix() for file in files}
    needed |= {"pyproject.toml", "hatch_build.py", "constraints.txt", "mkdocs.yml"}
    needed |= {"README.md", "LICENSE", ".github/release_notes.py"}
    assert needed <= held, f"the sdist lacks {needed - held}"


def check_description(wheel):
    """The long description, which PyPI shows without the files around it, leads to none of them."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    description = metadata.get_payload(decode=True).decode("utf-8")
    targets = re.findall(r"\]\(([^)\s]+)|(?:src|href)=[\"']([^\"']+)", description)
    targets = ["".join(target) for target in targets]
    relative = [target for target in targets if not target.startswith("https://")]
    assert targets, "the long description has no links"
    assert not relative, f"the long description leads to {relative}, which PyPI has not"
    urls = dict(url.split(", ", 1) for url in metadata.get_all("Project-URL"))
    assert {"Documentation", "Repository", "Changelog", "Issues"} <= set(urls), urls
    for target in targets:
        file = re.sub(rf"^{re.escape(urls['Repository'])}/(?:raw|blob)/HEAD/", "", target)
        assert file.startswith("https://") or (ROOT / file).exists(), f"there is no {file}"
    others = (urls["Changelog"], urls["Issues"])
    assert all(url.startswith(f"{urls['Repository']}/") for url in others), urls


def check_import_without_backend(environment):
    """The error says which extras bring a backend, whichever one Keras is set to."""
    for backend in (None, *EXTRAS):
        result = environment.python("import keras_rnnkit", backend=backend, check=False)
        error = result.stderr.strip().splitlines()[-1]
        assert result.returncode and error.startswith("ImportError"), result.stderr
        for extra in EXTRAS:
            assert f"keras-rnnkit[{extra}]" in error, f"no word of the extra {extra} in: {error}"


class Environment:
    """A virtual environment with nothing in it."""

    def __init__(self, folder, constraints):
        run(sys.executable, "-m", "venv", folder)
        self.folder = folder
        self.executable = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.constraints = ["--constraint", constraints.resolve()] if constraints else []

    def install(self, requirement):
        run(self.executable, "-m", "pip", "install", "--quiet", *self.constraints, requirement)

    def uninstall(self):
        run(self.executable, "-m", "pip", "uninstall", "--quiet", "--yes", "keras-rnnkit")

    def python(self, code, backend="jax", check=True):
        """Run code in the environment, away from the source and from the user's own settings."""
        return self._run(["-c", code], backend, self.folder, check)

    def test(self, source, *tests):
        """Run tests of an unpacked sdist against the installed package."""
        self._run(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", *tests], "jax", source)

    def _run(self, arguments, backend, folder, check=True):
        unset = ("KERAS_BACKEND", "PYTHONPATH")
        variables = {name: value for name, value in os.environ.items() if name not in unset}
        variables["KERAS_HOME"] = str(self.folder / "keras")
        if backend:
            variables["KERAS_BACKEND"] = backend
        return subprocess.run(
            [self.executable, *arguments],
            env=variables,
            cwd=folder,
            check=check,
            stderr=None if check else subprocess.PIPE,
            text=True,
        )


def run(*command):
    print("+", *command, flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
