"""The files that a benchmark writes from its results, or checks."""

import sys

import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _results

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend


def test_files_are_written_or_checked(tmp_path):
    files = {tmp_path / "new" / "a.md": "one\n", tmp_path / "b.md": "둘\n"}
    with pytest.raises(SystemExit, match=r"a\.md is not what the results say: run "):
        _results.write_or_check(files, check=True)
    assert not (tmp_path / "new").exists()
    _results.write_or_check(files, check=False)
    assert [path.read_text(encoding="utf-8") for path in files] == list(files.values())
    _results.write_or_check(files, check=True)
    (tmp_path / "b.md").write_text("둘", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"b\.md is not what the results say"):
        _results.write_or_check(files, check=True)
