"""The results of `layers.py` in one line and one chart.

The line stands on the home page and on the performance page, in every language of the site.
"""

import math
from statistics import median
from typing import Any

from _grid import MODES, SHAPES
from _tables import MODE_NAMES, NAMES

Reports = list[dict[str, Any]]

LINES = {
    "en": "Training is faster than with `keras.layers` in {count} measured cases, by a median "
    "factor of {speeds} (LSTM and GRU of {least} to {most} units, on {cores} CPU cores).",
    "ko": "측정한 {count}에서 `keras.layers`보다 빨리 훈련합니다. 중앙값은 {speeds}입니다"
    "(유닛이 {least}~{most}개인 LSTM과 GRU, CPU 코어 {cores}개).",
}
COUNTS = {
    "en": ("all {total}", "{faster} of {total}"),
    "ko": ("{total}가지 경우 모두", "{total}가지 경우 가운데 {faster}가지"),
}
SPEEDS = {"en": "{ratio} on {name}", "ko": "{name}에서 {ratio}배"}
JOINED = {"en": (", ", " and "), "ko": (", ", ", ")}

# The chart, in units of its own: it is scaled to the width of the page.
WIDTH, LEFT, RIGHT, TOP, ROW, GAP = 480, 128, 424, 34, 22, 8
COLORS = {"train": "#2b8cc4", "predict": "#e08a00"}


def line(reports: Reports, language: str = "en") -> str:
    """How much faster training is, in one sentence."""
    ratios = {report["backend"]: found(report, "train") for report in reports}
    every = [ratio for of_backend in ratios.values() for ratio in of_backend]
    faster = sum(ratio > 1 for ratio in every)
    text = COUNTS[language][faster < len(every)]
    each = [
        SPEEDS[language].format(name=NAMES[backend], ratio=f"{median(of_backend):.1f}")
        for backend, of_backend in ratios.items()
    ]
    comma, last = JOINED[language]
    units = [shape.units for shape in SHAPES.values()]
    return LINES[language].format(
        count=text.format(total=len(every), faster=faster),
        speeds=last.join([comma.join(each[:-1]), each[-1]]) if each[1:] else each[0],
        least=min(units),
        most=max(units),
        cores=min(report["machine"]["cores"] for report in reports),
    )


def found(report: dict[str, Any], mode: str) -> list[float]:
    """Keras' time by the kit's, in every cell of the grid that has it."""
    cells = [figures[mode] for figures in report["cells"].values() if mode in figures]
    return [figures["keras_over_kit"]["median"] for figures in cells]


def chart(reports: Reports) -> str:
    """An SVG with a dot for each ratio, and a stroke at the median of a row.

    Its text has the colour of the page around it, so it stands on light and dark ones.
    """
    rows = [(report, mode) for report in reports for mode in MODES]
    highest = max(ratio for report, mode in rows for ratio in found(report, mode))
    ticks = [2**power for power in range(math.ceil(math.log2(highest)) + 1)]

    def x(ratio: float) -> float:
        return LEFT + (RIGHT - LEFT) * (math.log2(ratio) + 0.2) / (math.log2(ticks[-1]) + 0.2)

    bottom = TOP + len(rows) * ROW + (len(reports) - 1) * GAP
    parts = [text(WIDTH, TOP - 14, "median", "end")]
    for tick in ticks:
        parts.append(text(x(tick), TOP - 14, f"{tick}", "middle"))
        parts.append(stroke(x(tick), TOP - 8, bottom, 1, 0.5 if tick == 1 else 0.15))
    for index, (report, mode) in enumerate(rows):
        y = TOP + (index + 0.5) * ROW + index // len(MODES) * GAP
        if index % len(MODES) == 0:
            parts.append(text(0, y + 4, NAMES[report["backend"]], "start"))
        parts.append(text(LEFT - 8, y + 4, MODE_NAMES[mode], "end"))
        parts += row(found(report, mode), x, y, COLORS[mode])
    parts.append(text((LEFT + RIGHT) / 2, bottom + 22, "times as fast as keras.layers", "middle"))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} '
        f'{bottom + 30:g}" color="#666" font-family="sans-serif" font-size="12">\n{body}\n</svg>\n'
    )


def row(ratios: list[float], x: Any, y: float, color: str) -> list[str]:
    """The dots of a row, its median, and that as a number."""
    dots = "".join(f'<circle cx="{x(ratio):.1f}" cy="{y:g}" r="4"/>' for ratio in sorted(ratios))
    middle = median(ratios)
    return [
        f'<g fill="{color}" fill-opacity="0.35">{dots}</g>',
        stroke(x(middle), y - 9, y + 9, 2.5, 1),
        text(WIDTH, y + 4, f"{middle:.1f}", "end"),
    ]


def text(x: float, y: float, content: str, anchor: str) -> str:
    """Words in the colour of the page."""
    place = f'x="{x:.1f}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text {place} fill="currentColor">{content}</text>'


def stroke(x: float, top: float, bottom: float, width: float, opacity: float) -> str:
    """An upright line in the colour of the page."""
    return (
        f'<path d="M{x:.1f} {top:g}V{bottom:g}" stroke="currentColor" stroke-width="{width:g}" '
        f'stroke-opacity="{opacity:g}"/>'
    )
