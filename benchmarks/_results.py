"""The files of results: a folder for each processor, a file for each script and backend."""

import datetime
import json
import os
import platform
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
BACKENDS = ("jax", "tensorflow", "torch")

# Settings of libraries that change what is measured.
SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS")

# What keeps glibc from giving large blocks back to the system as they are freed, only to ask for
# fresh ones at the next step, which the system fills with zeros page by page.
KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


def results_file(script: str, backend: str | None = None) -> Path:
    """Where the results of a script on this machine's processor are stored."""
    name = script if backend is None else f"{script}_{backend}"
    return RESULTS / slug(machine()) / f"{name}.json"


def every(script: str, backend: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The results of a script on one backend, of every processor that has some."""
    return [load(path) for path in sorted(folder.glob(f"*/{script}_{backend}.json"))]


def fullest(script: str, folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """By backend, the results of the processor that has most of them; of equals, the newest."""
    found = {backend: every(script, backend, folder) for backend in BACKENDS}
    return {backend: max(reports, key=_size) for backend, reports in found.items() if reports}


def _size(report: dict[str, Any]) -> tuple[int, str]:
    entries = report.get("cells", report.get("rows", {}))
    entries = entries.values() if isinstance(entries, dict) else entries
    return len(entries), max((entry.get("date", "") for entry in entries), default="")


def peaks(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """What `roofline.py` measured, by processor."""
    found = (load(path) for path in sorted(folder.glob("*/roofline.json")))
    return {peak["machine"]["cpu"]: peak for peak in found}


def slug(machine: dict[str, Any]) -> str:
    """The name of a processor's folder: its name, family, model and cores."""
    words = re.findall(r"[a-z0-9]+", machine["cpu"].lower())
    name = "-".join(word for word in words if word not in ("r", "cpu", "processor"))
    return f"{name}_{machine['cores']}-cores"


def machine() -> dict[str, Any]:
    """The processor and what of it there is to use."""
    return {"cpu": _cpu(), "cores": len(os.sched_getaffinity(0)), "platform": _system()}


def _system() -> str:
    """The kernel by its number, for builds of one number run alike, and the C library."""
    release = platform.release().partition("-")[0]
    return "-".join([platform.system(), release, *filter(None, platform.libc_ver())])


def _cpu() -> str:
    """The processor's name, with family and model: a virtual one's name may leave them open."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        fact, _, value = line.partition(":")
        facts.setdefault(fact.strip(), value.strip())
    kind = [f"{fact} {facts[fact]}" for fact in ("cpu family", "model") if fact in facts]
    name = facts.get("model name", platform.machine())
    return f"{name} ({', '.join(kind)})" if kind else name


def environment(backend: str) -> dict[str, Any]:
    """All that must be the same for the cells of one file."""
    packages = {"keras-rnnkit": "keras_rnnkit", "keras": "keras", "numpy": "numpy"}
    versions = {name: import_module(module).__version__ for name, module in packages.items()}
    versions[backend] = import_module(backend).__version__
    return {
        "backend": backend,
        "device": _device(backend),
        "machine": machine(),
        "threads": _settings(backend),
        "versions": {"python": platform.python_version(), **versions},
    }


def _device(backend: str) -> str:
    """Where the layers run, as the backend names it."""
    if backend == "torch":
        torch = import_module("torch")
        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    if backend == "tensorflow":
        gpus = import_module("tensorflow").config.list_physical_devices("GPU")
        return gpus[0].name if gpus else "cpu"
    return import_module("jax").devices()[0].device_kind


def _settings(backend: str) -> dict[str, Any]:
    """The settings of threads and libraries that were made, and what the backend says of itself."""
    made = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.endswith("_NUM_THREADS") or name.startswith("TF_NUM_") or name in SETTINGS
    }
    if backend == "torch":
        made["torch.get_num_threads()"] = import_module("torch").get_num_threads()
    return made


def load(path: Path) -> dict[str, Any]:
    """A file of results."""
    return json.loads(path.read_text())


def load_or_start(path: Path, backend: str, entries: str = "cells") -> dict[str, Any]:
    """The file to go on with, or a new one; results of another environment do not mix."""
    here = environment(backend)
    if not path.exists():
        return {**here, entries: [] if entries == "rows" else {}}
    report = load(path)
    other = [name for name, value in here.items() if report[name] != value]
    if other:
        sys.exit(
            f"{path} is from another environment ({', '.join(other)}): "
            "remove it, or write elsewhere with --out."
        )
    return report


def save(path: Path, report: dict[str, Any]) -> None:
    """Writes a file whole, so that a run that is cut off leaves the last good one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(report, indent=1) + "\n")
    draft.replace(path)


def write_or_check(files: dict[Path, str], check: bool) -> None:
    """Writes the files, or ends the script where one of them is another text."""
    for path, text in files.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what the results say: run {Path(sys.argv[0]).name}.")


def today() -> str:
    """The date, as results carry it."""
    return datetime.date.today().isoformat()
