"""The tests can run in parts, and no test is left out."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import in_parts
from tests.conftest import other_parts, pytest_ignore_collect

pytestmark = pytest.mark.no_backend

ROOT = Path(__file__).resolve().parents[2]
FILES = [Path(f"test_{name}.py") for name in "abcde"]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_each_file_is_in_one_part(count):
    others = [other_parts(FILES, f"{number}/{count}") for number in range(1, count + 1)]
    parts = [[file for file in FILES if file not in other] for other in others]
    assert sorted(file for part in parts for file in part) == FILES
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def collected(part):
    """The files of the tests that pytest imports for a part, `None` for all."""
    config = SimpleNamespace(
        rootpath=ROOT,
        getini=lambda name: ["tests", "keras_rnnkit"],
        getoption=lambda name: part,
        stash=pytest.Stash(),
    )
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("keras_rnnkit/**/*.py")]
    files = [file for file in files if file.name != "__init__.py"]
    return [file for file in files if not pytest_ignore_collect(file, config)]


def test_a_part_imports_its_files_alone_and_no_help_for_tests():
    parts = [collected(part) for part in ("1/2", "2/2")]
    assert sorted(parts[0] + parts[1]) == sorted(collected(None))
    assert min(map(len, parts)) > 100
    assert Path(__file__) in parts[0] + parts[1]
    assert ROOT / "tests" / "in_parts.py" not in parts[0] + parts[1]


@pytest.mark.parametrize("part", ["0/3", "1", "a/b", "1/0"])
def test_another_part_is_refused(part):
    with pytest.raises(pytest.UsageError, match="Received: --part="):
        other_parts(FILES, part)


@pytest.mark.parametrize(
    ("codes", "status"), [([0, 5, 0], 0), ([1, 0, 0], 1), ([0, 5, 2], 2), ([5, 5, 5], 5)]
)
def test_the_run_fails_if_a_part_fails_or_none_has_tests(codes, status, monkeypatch):
    commands = []

    def run(command, check):
        commands.append(command)
        return SimpleNamespace(returncode=codes[len(commands) - 1])

    monkeypatch.setattr(subprocess, "run", run)
    assert in_parts.main(3, ["-n", "2"]) == status
    assert [command[1:] for command in commands] == [
        ["-m", "pytest", *in_parts.HANGING, "-n", "2", f"--part={number}/3"] for number in (1, 2, 3)
    ]
    assert commands[0][0] == sys.executable


def test_a_test_that_hangs_fails_and_says_where(tmp_path):
    hanging = "import threading\n\ndef test_hangs():\n    threading.Event().wait()\n"
    (tmp_path / "test_hanging.py").write_text(hanging)
    options = [*in_parts.HANGING, "-o", "faulthandler_timeout=1", "-n", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert "crashed while running 'test_hanging.py::test_hangs'" in done.stdout
    assert "line 4 in test_hangs" in done.stderr
