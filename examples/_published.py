"""What the docs show of the chapter's results: tables and pictures, in two languages."""

import hashlib
import json
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
CHAPTER = json.loads(Path(__file__).with_name("chapter_09_3.json").read_text(encoding="utf-8"))
MODELS = CHAPTER["models"]
BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}
# What is said of a run, and with how many digits.
FIGURES = {
    "training_loss": 4,
    "val_loss": 4,
    "val_accuracy": 4,
    "test_accuracy": 4,
    "best_epoch": 0,
    "epochs_run": 0,
}


class Words(NamedTuple):
    """A language of the tables."""

    head: tuple[str, ...]
    chapter: str
    seeds: str
    outside: str
    inside: str
    names: dict[str, str]
    where: str


LANGUAGES = {
    "en": Words(
        (
            "",
            "training loss",
            "validation loss",
            "validation accuracy",
            "test accuracy",
            "best epoch",
            "epochs",
            "s / epoch",
        ),
        "the chapter",
        "{name}, {n} seeds",
        "On {backend}, the chapter's {figure} of {chapter} is {away:.1f} standard deviations away "
        "from the mean of {n} seeds, {ours}.",
        "On every backend, the chapter's validation loss and accuracy are within two standard "
        "deviations of the mean over the seeds.",
        {"val_loss": "validation loss", "val_accuracy": "validation accuracy"},
        "Mean ± standard deviation over the seeds, on the IMDB reviews. With three seeds, the "
        "standard deviation is a rough estimate. Seconds of the median epoch, on {cores} CPU cores "
        "({cpu}); those of the chapter were measured on its own machine. Versions: {versions}.",
    ),
    "ko": Words(
        (
            "",
            "훈련 손실",
            "검증 손실",
            "검증 정확도",
            "테스트 정확도",
            "최적 에포크",
            "에포크 수",
            "에포크당 시간(초)",
        ),
        "원문",
        "{name}, 시드 {n}개",
        "{backend}에서 원문의 {figure} 값({chapter})은 시드 {n}개의 평균 {ours}에서 표준편차의 "
        "{away:.1f}배만큼 떨어져 있습니다.",
        "원문의 검증 손실과 검증 정확도는 모든 백엔드에서 시드 평균의 표준편차 두 배 안에 "
        "들어옵니다.",
        {"val_loss": "검증 손실", "val_accuracy": "검증 정확도"},
        "IMDB 리뷰로 시드를 바꿔 가며 훈련한 결과의 평균 ± 표준편차입니다. "
        "시드가 세 개면 표준편차는 어림값입니다. 에포크당 시간은 중앙값이며 "
        "CPU 코어 {cores}개({cpu})에서 측정했습니다. 원문의 시간은 원문의 컴퓨터에서 잰 값입니다. "
        "버전: {versions}.",
    ),
}


def results_file(backend: str) -> Path:
    """Where a backend's results lie."""
    return RESULTS / f"chapter_{backend}.json"


def seconds_file(backend: str) -> Path:
    """Where the seconds of a backend's epochs lie."""
    return RESULTS / f"seconds_{backend}.json"


def compact(results: dict[str, Any]) -> str:
    """The results as text, rounded, with a list on one line."""

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 5)
        if isinstance(value, dict):
            return {key: rounded(one) for key, one in value.items()}
        return [rounded(one) for one in value] if isinstance(value, list) else value

    # The seconds of a run count whatever else the machine did; epochs are timed by themselves.
    whole = ("seconds", "ms_per_step", "epoch_seconds")
    kept = [{key: run[key] for key in run if key not in whole} for run in results["runs"]]
    runs = [json.dumps(rounded(run)) for run in kept]
    head = json.dumps({key: one for key, one in results.items() if key != "runs"}, indent=1)
    return head[:-2] + ',\n "runs": [\n  ' + ",\n  ".join(runs) + "\n ]\n}\n"


def reports() -> dict[str, dict[str, Any]]:
    """The results there are, by backend."""
    files = {backend: results_file(backend) for backend in BACKENDS}
    return {b: json.loads(f.read_text(encoding="utf-8")) for b, f in files.items() if f.exists()}


def runs_of(report: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """The runs of one model, a seed each."""
    return [with_training_loss(run) for run in report["runs"] if run["model"] == model]


def with_training_loss(run: dict[str, Any]) -> dict[str, Any]:
    """The run with the training loss of its best epoch."""
    history = run["history"]
    epochs = history.get("epoch", range(1, len(history["loss"]) + 1))
    losses = dict(zip(epochs, history["loss"], strict=True))
    return {**run, "training_loss": losses[run["best_epoch"]]}


def texts() -> dict[Path, str]:
    """Every generated text, by its file."""
    found = reports()
    files = {}
    for language, words in LANGUAGES.items():
        for model in MODELS:
            files[RESULTS / f"{model}.{language}.md"] = table(model, found, words)
        files[RESULTS / f"machine.{language}.md"] = machine(found, words)
    files[RESULTS / "pictures.json"] = json.dumps({"drawn from": _digest()}, indent=1) + "\n"
    return files


def table(model: str, found: dict[str, dict[str, Any]], words: Words) -> str:
    """One model on every backend beside the chapter, and a sentence where it falls outside."""
    rows = [words.head, ["---"] * len(words.head), _chapter_row(model, words)]
    sentences = []
    for backend, report in found.items():
        runs = runs_of(report, model)
        if not runs:
            continue
        name = words.seeds.format(name=BACKENDS[backend], n=len(runs))
        rows.append(
            [name, *(_spread(runs, figure) for figure in FIGURES), _seconds(backend, model)]
        )
        sentences += _outside(model, BACKENDS[backend], runs, words)
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{lines}\n\n{' '.join(sentences) or words.inside}\n"


def _chapter_row(model: str, words: Words) -> list[str]:
    """What the chapter tells: no accuracy on the test reviews, and whole seconds."""
    told = with_training_loss(MODELS[model])
    shown = [f"{told[f]:.{digits}f}" if f in told else "-" for f, digits in FIGURES.items()]
    return [f"**{words.chapter}**", *shown, f"{told['epoch_seconds']:.1f}"]


def _seconds(backend: str, model: str) -> str:
    """The median epoch."""
    file = seconds_file(backend)
    if not file.exists():
        return "-"
    return f"{median(json.loads(file.read_text(encoding='utf-8'))['seconds'][model]):.1f}"


def _spread(runs: list[dict[str, Any]], figure: str) -> str:
    values, digits = [run[figure] for run in runs], FIGURES[figure]
    text = f"{mean(values):.{digits}f}"
    return (
        text
        if len(values) < 2
        else f"{text}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{stdev(values):.{digits}f}"
    )


def _outside(model: str, backend: str, runs: list[dict[str, Any]], words: Words) -> list[str]:
    """A sentence for each of the two figures that lies more than two deviations away."""
    sentences = []
    for figure, name in words.names.items():
        values, published = [run[figure] for run in runs], MODELS[model][figure]
        deviation = stdev(values) if len(values) > 1 else 0.0
        if not deviation:
            continue
        away = abs(published - mean(values)) / deviation
        if away > 2:
            sentence = words.outside.format(
                backend=backend, figure=name, chapter=f"{published:.4f}", away=away,
                n=len(values), ours=_spread(runs, figure),
            )  # fmt: skip
            sentences.append(sentence)
    return sentences


def machine(found: dict[str, dict[str, Any]], words: Words) -> str:
    """Where the results come from."""
    versions: dict[str, str] = {}
    for report in found.values():
        versions |= report["versions"]
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    first = next(iter(found.values()))["machine"]
    return words.where.format(cores=first["cores"], cpu=first["processor"], versions=shown) + "\n"


def pictures() -> list[Path]:
    """The pictures of the losses, one for each model."""
    return [RESULTS / f"{model}.png" for model in MODELS]


def draw() -> None:
    """The losses of each model by epoch, one run of the first backend, the chapter's beside it."""
    from keras_rnnkit import plots

    backend, report = next(iter(reports().items()))
    for model, path in zip(MODELS, pictures(), strict=True):
        run = runs_of(report, model)[0]
        name = f"{BACKENDS[backend]}, seed {run['seed']}"
        published = {name: MODELS[model]["history"]}
        plots.history({name: run["history"]}, published=published, path=path, overwrite=True)


def _digest() -> str:
    """Of all the results, so that pictures drawn from older ones are noticed."""
    data = b"".join(results_file(backend).read_bytes() for backend in reports())
    return hashlib.sha256(data).hexdigest()[:16]
