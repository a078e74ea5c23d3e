"""How many words the textbook chapter's trained LSTM remembers.

    python examples/chapter_09_3.py --data imdb.npz --models lstm --seeds 0 1 2 --out chapter
    KERAS_BACKEND=jax python benchmarks/chapter_memory.py --data imdb.npz --models chapter
    python benchmarks/chapter_memory.py --check   # fails where the page parts are not the results

On the real test reviews, for each trained model: the half-life of each unit, how the weights of
the last cell state are distributed over the words, how far the gradient of the loss reaches back,
and the accuracy when the model reads the last words of each review only, with the same weights.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from _results import RESULTS, environment, load, save, today, write_or_check
from _tables import table

RESULT = RESULTS / "chapter_memory.json"
PARTS = Path(__file__).parent.parent / "docs" / "results"
SEEDS = (0, 1, 2)
BACK = (10, 20, 50)  # words before the last one
READ = (5, 10, 20, 50, 100, 200, 400)  # words of each review
LENGTH = 100  # that of the training
REVIEWS = 2000  # whose influence is computed


def measure(folder: Path, path: Path, seed: int) -> dict[str, Any]:
    """What one trained model remembers."""
    import keras
    import numpy as np

    import keras_rnnkit as kit

    trained = keras.models.load_model(folder / f"best_lstm_seed{seed}.keras")
    words = keras.Input((None,), dtype="int32")  # of any number
    model = keras.Sequential([words, *trained.layers])
    read, predicted = {}, {}
    for length in READ:
        test = kit.data.load_imdb(path=path, maxlen=length).test
        outputs = model.predict(test.x, batch_size=1000, verbose=0)[:, 0]
        predicted[length] = outputs > 0.5
        read[length] = float(np.mean(predicted[length] == test.y))
        if length == LENGTH:
            x, y = test.x, test.y
    found = kit.trace_batches(model, x, reduce="statistics", progress=False)["lstm"]
    weights = np.concatenate(
        kit.trace_batches(model, x[:REVIEWS], 250, reduce=last_weights, progress=False)
    )
    shares = weights[:, ::-1] / weights.sum(axis=1, keepdims=True)  # the last word is first
    return {
        "half_life": sorted(float(one) for one in found.half_life),
        "forget_mean": float(found["forget"].mean.mean()),
        "share": {back: float(shares[:, back:].sum(axis=1).mean()) for back in BACK},
        "gradient": gradient_ratios(model, x[:REVIEWS], y[:REVIEWS]),
        "accuracy": read,
        "same_prediction": {
            length: float(np.mean(predicted[length] == predicted[LENGTH])) for length in READ
        },
    }


def gradient_ratios(model: Any, x: Any, y: Any) -> dict[int, float]:
    """The gradient of the loss by the hidden state some steps back, over that one step back."""
    import numpy as np

    import keras_rnnkit as kit

    targets = y[:, None].astype("float32")
    found = kit.trace_gradients(model, x, targets, loss="binary_crossentropy")["lstm"].hidden
    norms = np.linalg.norm(found, axis=-1).mean(axis=0)[::-1]  # the last word is first
    return {back: float(norms[back] / norms[1]) for back in BACK}


def last_weights(traces: Any) -> Any:
    """The weight of each word in the last cell state, `(reviews, words)`, a mean over units."""
    import keras_rnnkit as kit

    return kit.influence(traces["lstm"])[:, -1]


def measured(folder: Path, path: Path) -> dict[str, Any]:
    """The results of all seeds."""
    import keras

    report = {**environment(keras.config.backend()), "date": today(), "trained_on": LENGTH}
    report |= {"reviews": 25_000, "reviews_of_influence": REVIEWS}
    report["models"] = [{"seed": seed, **measure(folder, path, seed)} for seed in SEEDS]
    return report


def spread(values: list[float], text: str = "{:.1f}", to: str = "to") -> str:
    """The smallest and the largest value; one of them where they are printed the same."""
    low, high = text.format(min(values)), text.format(max(values))
    return low if low == high else f"{low} {to} {high}"


ENGLISH = {
    "head": ["of the trained LSTM", *(f"seed {seed}" for seed in SEEDS)],
    "half_life": "half-lives of its units, in steps",
    "share": "weight of the words {} or more steps back in the last state",
    "gradient": "gradient by the hidden state {} steps back, over that by the one 1 step back",
    "accuracy": "accuracy on the last {} words",
    "same": "same prediction as with 100 words, on the last {}",
    "to": "to",
}
KOREAN = {
    "head": ["훈련한 LSTM", *(f"시드 {seed}" for seed in SEEDS)],
    "half_life": "유닛의 반감기(타임스텝)",
    "share": "마지막 상태에서 {}단어 이상 앞선 단어들의 가중치",
    "gradient": "{}단계 앞선 은닉 상태에 대한 그레이디언트 ÷ 1단계 앞선 것에 대한 그레이디언트",
    "accuracy": "마지막 {}단어만 읽을 때의 정확도",
    "same": "100단어를 읽을 때와 예측이 같은 비율, 마지막 {}단어",
    "to": "~",
}


def part(report: dict[str, Any], text: dict[str, Any]) -> str:
    """The page part in one language: a table of the trained models."""
    models = report["models"]
    half_lives = [spread(model["half_life"], to=text["to"]) for model in models]
    rows = [[text["half_life"], *half_lives]]
    for back in map(str, BACK):
        shares = [f"{100 * model['share'][back]:.2g} %" for model in models]
        rows.append([text["share"].format(back), *shares])
    for back in map(str, BACK):
        ratios = [f"{model['gradient'][back]:.2f}" for model in models]
        rows.append([text["gradient"].format(back), *ratios])
    for name, key in (("accuracy", "accuracy"), ("same", "same_prediction")):
        for length in map(str, READ):
            if (name, length) != ("same", str(LENGTH)):
                values = [f"{100 * model[key][length]:.1f} %" for model in models]
                rows.append([text[name].format(length), *values])
    return table(text["head"], rows) + "\n"


def parts(report: dict[str, Any]) -> dict[Path, str]:
    """The page parts by file."""
    languages = {"en": ENGLISH, "ko": KOREAN}
    return {
        PARTS / f"chapter_memory.{code}.md": part(report, text) for code, text in languages.items()
    }


def main() -> None:
    """Measures, or checks the page parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz")
    parser.add_argument("--models", type=Path, help="the --out of examples/chapter_09_3.py")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if not arguments.check:
        if arguments.data is None or arguments.models is None:
            parser.error("--data and --models are needed to measure")
        os.environ.setdefault("KERAS_BACKEND", "jax")
        save(RESULT, measured(arguments.models, arguments.data))
    write_or_check(parts(load(RESULT)), arguments.check)


if __name__ == "__main__":
    main()
