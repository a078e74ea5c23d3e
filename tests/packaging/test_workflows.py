"""The hosted workflows: pinned actions, few permissions, and environments that tox has."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_backend

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
# The permissions that a job may have beyond reading the repository, and the job that has them.
WRITES = {
    "docs.yml": {"deploy": {"pages", "id-token"}},
    "release.yml": {"publish": {"id-token"}, "github-release": {"contents"}},
}

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def blocks(text, indent):
    """The parts of a YAML mapping by their keys; `indent` spaces stand before each key."""
    parts = re.split(rf"^ {{{indent}}}([\w-]+):", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def jobs(path):
    return blocks(blocks(path.read_text("utf-8"), 0)["jobs"], 2)


def listed(text, key):
    """The values of every `key: [a, b]` in the text."""
    values = ",".join(re.findall(rf"^ *{key}: \[(.*)\]$", text, re.MULTILINE))
    return {value.strip(' "') for value in values.split(",") if value}


def test_all_workflows_are_there():
    names = {path.name for path in WORKFLOWS}
    assert names == {"docs.yml", "release.yml", "tests.yml", "weekly.yml"}


@each_workflow
def test_every_action_is_pinned_by_its_commit_with_its_version(path):
    used = re.findall(r"\buses: *(.*)$", path.read_text("utf-8"), re.MULTILINE)
    assert used
    for action in used:
        local = re.fullmatch(r"\./(\.github/workflows/\S+\.yml)", action)
        if local:
            assert (ROOT / local[1]).is_file()
        else:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_an_action_has_one_pin():
    texts = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"\buses: (\S+)@(.*)$", texts, re.MULTILINE))
    assert len(pins) == len({action for action, _ in pins})


@each_workflow
def test_every_job_has_a_limit_and_no_more_rights_than_it_needs(path):
    top = blocks(path.read_text("utf-8"), 0)
    assert top["permissions"].split() == ["contents:", "read"]
    assert {"group", "cancel-in-progress"} <= set(blocks(top["concurrency"], 2))
    assert jobs(path)
    for name, job in jobs(path).items():
        keys = blocks(job, 4)
        if not keys.get("uses", "").startswith(" ./"):
            assert 0 < int(keys["timeout-minutes"]) <= 60
        written = set(re.findall(r"([\w-]+): write", keys.get("permissions", "")))
        assert written == WRITES.get(path.name, {}).get(name, set())
    assert "secrets." not in path.read_text("utf-8")
    assert "pull_request_target" not in path.read_text("utf-8")


@each_workflow
def test_every_environment_is_one_of_tox(path):
    text = path.read_text("utf-8")
    named = set(re.findall(r"tox run -e ([\w,-]+)", text)) | listed(text, "environment")
    assert named <= set(PROJECT["tool"]["tox"]["env"])
    assert named
    assert ("tox run -e ${{ matrix.environment }}" in text) == bool(listed(text, "environment"))


def test_all_of_tox_runs_on_every_change_and_the_other_versions_every_week():
    tests, weekly = (
        (ROOT / ".github/workflows" / name).read_text("utf-8")
        for name in ("tests.yml", "weekly.yml")
    )
    assert listed(tests, "environment") == set(PROJECT["tool"]["tox"]["env_list"])
    slow = {"tensorflow", "jax"}  # with the tests that have the mark `slow_on`
    assert listed(weekly, "environment") == slow | {"lowest", "newest", "nightly"}
    assert 'tox run -e ${{ matrix.environment }} -- -m "slow or not slow"' in weekly


def test_the_tests_run_on_the_oldest_and_the_newest_python():
    classifiers = PROJECT["project"]["classifiers"]
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", " ".join(classifiers))]
    python = listed((ROOT / ".github/workflows/tests.yml").read_text("utf-8"), "python")
    assert python == {f"3.{min(minors)}", f"3.{max(minors)}"}
    assert PROJECT["project"]["requires-python"] == f">=3.{min(minors)}"


@pytest.fixture(scope="module")
def release_notes():
    return runpy.run_path(str(ROOT / ".github/release_notes.py"))["release_notes"]


def test_a_release_shows_its_section_of_the_changelog(release_notes):
    changelog = "# Changelog\n\n## [1.2.0] - 2030-01-01\n\n### Fixed\n\n- One\n  line.\n- Two.\n"
    changelog += "\n## [1.1.0] - 2029-01-01\n\n- Old.\n"
    assert release_notes("v1.2.0", "1.2.0", changelog) == "### Fixed\n\n- One line.\n- Two.\n"
    assert release_notes("v1.1.0", "1.1.0", changelog) == "- Old.\n"


def test_every_released_version_has_its_notes(release_notes):
    versions = re.findall(r"^## \[(\d.*?)\]", CHANGELOG, re.MULTILINE)
    assert versions
    for version in versions:
        assert len(release_notes(f"v{version}", version, CHANGELOG)) > 20


@pytest.mark.parametrize(
    ("tag", "version", "message"),
    [
        ("v1.2.1", "1.2.0", r"v1\.2\.0\. Received: tag='v1\.2\.1'$"),
        ("v1.3.0", "1.3.0", r"section .* Received: version='1\.3\.0'$"),
        ("v1.2", "1.2", r"section .* Received: version='1\.2'$"),
    ],
)
def test_a_release_without_its_section_is_refused(release_notes, tag, version, message):
    with pytest.raises(ValueError, match=message):
        release_notes(tag, version, "## [1.2.0] - 2030-01-01\n\n- Text.\n\n## [1.3.0]\n\n")
