"""What `attribute` returns."""

from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit._checks import PathLike, check_file, check_integer
from keras_rnnkit.models._npz import load_archive, write_archive

_VERSION = 1


class Scored(NamedTuple):
    """A word, or a phrase, with its place and its score."""

    position: Any  # a step, or for a phrase `(start, stop)`
    token: Any  # `None` where no tokens were given
    score: float


class Attribution(NamedTuple):
    """Which words decided: a score for each word, or phrase, of each row.

    A positive score speaks for the explained output, a negative one against it.

    Attributes:
        scores: `(batch, time)`, or `(batch, spans)` of `"contextual"`; zero at padded steps.
        total: For each row, what is explained: of `"integrated_gradients"` the difference of the
            logit to that at the baseline, else the logit.
        gap: For each row, how far the scores (with `first` and `bias`, where there are any) are
            from `total`: relatively, or absolutely where `total` is below 0.001. `None` of
            `"occlusion"`, whose scores have no sum to keep.
        points: For each row, the points of the integral, or `None`.
        target: For each row, the number of the output that is explained.
        mask: Booleans `(batch, time)`, false at padding.
        tokens: A list of words for each row, or `None`.
        spans: The phrases of `"contextual"`, half-open, or `None`.
        first: For each row, the part of the initial state in the logit, or `None`.
        bias: For each row, the bias of the last layer in the logit, or `None`.
        method: The method that was used.
        of: `"logit"` or `"output"`, what is explained.
    """

    scores: np.ndarray
    total: np.ndarray
    gap: np.ndarray | None
    points: np.ndarray | None
    target: np.ndarray
    mask: np.ndarray
    tokens: list[list[str]] | None
    spans: list[tuple[int, int]] | None
    first: np.ndarray | None
    bias: np.ndarray | None
    method: str
    of: str

    def top(self, k: int = 10, row: int = 0) -> list[Scored]:
        """The words or phrases of one row with the largest scores of any sign, without padding.

        Args:
            k: How many.
            row: The number of the row.

        Returns:
            Up to `k` tuples `(position, token, score)`, the largest absolute score first. A
            position is a step, or for a phrase `(start, stop)`.
        """
        check_integer(k, "k")
        check_integer(row, "row", most=len(self.scores) - 1)
        scores = self.scores[row]
        order = np.argsort(-np.abs(scores), kind="stable")
        if self.spans is None:
            order = order[self.mask[row][order]]
        return [Scored(*self._word(row, int(i)), float(scores[i])) for i in order[:k]]

    def _word(self, row: int, i: int) -> tuple[Any, Any]:
        tokens = None if self.tokens is None else self.tokens[row]
        if self.spans is None:
            return i, None if tokens is None else tokens[i]
        start, stop = self.spans[i]
        return (start, stop), None if tokens is None else " ".join(tokens[start:stop])

    def __repr__(self) -> str:
        what = "words" if self.spans is None else "phrases"
        rows, count = self.scores.shape
        lines = [f"Attribution of {rows} rows, {count} {what}, by '{self.method}' of the {self.of}"]
        for row in range(min(rows, _SHOWN_ROWS)):
            words = ", ".join(
                f"{position if token is None else token!r} {score:+.3g}"
                for position, token, score in self.top(_SHOWN_WORDS, row)
            )
            gap = "" if self.gap is None else f", gap {self.gap[row]:.1e}"
            total = f"output {self.target[row]}, total {self.total[row]:+.3g}{gap}"
            lines.append(f"  row {row}: {total}: {words}")
        lines += ["  ..."] * (rows > _SHOWN_ROWS)
        return "\n".join(lines)

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Plot the words in the colours of their scores, by `keras_rnnkit.plots.attribution`.

        Args:
            *args: Further arguments of `keras_rnnkit.plots.attribution`, as are `**kwargs`.
            **kwargs: See there.

        Returns:
            What it returns.
        """
        from keras_rnnkit import plots

        return plots.attribution(self, *args, **kwargs)

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Save as one `.npz` file, without pickle.

        Args:
            path: The file, which ends in `.npz`.
            overwrite: Whether to replace a file that is there.

        Raises:
            FileExistsError: If there is a file, and not `overwrite`.
            ValueError: If `path` does not end in `.npz`.
            OSError: If the file cannot be written; an old one is then unchanged.
        """
        target = check_file(path, "path", ".npz", overwrite)
        arrays = {name: np.asarray(getattr(self, name)) for name in _ARRAYS if self._has(name)}
        words = {name: getattr(self, name) for name in _WORDS}
        layout = {"version": _VERSION, "arrays": list(arrays), **words}
        write_archive(target, "attribution", layout, arrays, overwrite=overwrite)

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

    @classmethod
    def load(cls, path: PathLike) -> "Attribution":
        """The attribution in a file that `save` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not one of `save`, or incomplete, or changed.
        """
        advice = "call `attribute` again"
        return load_archive(
            path, "attribution", _VERSION, cls._restored, "Attribution.save", advice
        )

    @classmethod
    def _restored(cls, layout: dict[str, Any], arrays: dict[str, Any]) -> "Attribution":
        words: dict[str, Any] = {name: layout[name] for name in _WORDS}
        if words["spans"] is not None:
            words["spans"] = [tuple(span) for span in words["spans"]]
        return cls(**{**dict.fromkeys(_ARRAYS), **words, **arrays})


_ARRAYS = ("scores", "total", "gap", "points", "target", "first", "bias", "mask")
_WORDS = ("tokens", "spans", "method", "of")  # stored as text
_SHOWN_ROWS, _SHOWN_WORDS = 3, 5
