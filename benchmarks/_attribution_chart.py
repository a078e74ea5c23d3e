"""The chart of `attribution.py`: how far the prediction drops when the top words are taken out."""

from statistics import mean
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 48, 430, 16, 316
# Colours that can be told apart by people who are colour-blind, and a pattern for grey prints.
LINES = {
    "integrated_gradients": ("integrated_gradients", "#0072b2", ""),
    "contextual": ("contextual", "#d55e00", "9 3"),
    "occlusion": ("occlusion", "#009e73", "2 3"),
    "gradients": ("gradients times vectors", "#7a7a7a", "9 3 2 3"),
    "cells": ("cells", "#cc79a7", "5 3"),
    "random": ("random words", "#999999", "1 4"),
}


def chart(report: dict[str, Any]) -> str:
    """An SVG with a line for each method, the mean over seeds, from the highest to the lowest."""
    counts = report["taken_out"]
    lines = {
        method: [
            mean(row["drops"][method][i] for row in report["imdb"]) for i in range(len(counts))
        ]
        for method in LINES
    }
    highest = max(max(values) for values in lines.values())
    ticks = [tick / 10 for tick in range(0, int(highest * 10) + 2)]

    def x(index: float) -> float:
        return LEFT + 12 + (RIGHT - LEFT - 24) * index / (len(counts) - 1)

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * max(value, 0) / ticks[-1]

    parts = []
    for tick in ticks:
        parts.append(_text(LEFT - 8, y(tick) + 4, f"{tick:.1f}", "end"))
        parts.append(
            f'<path d="M{LEFT} {y(tick):.1f}H{RIGHT}" stroke="currentColor" stroke-opacity="0.15"/>'
        )
    for index, count in enumerate(counts):
        parts.append(_text(x(index), BOTTOM + 18, str(count), "middle"))
    parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 38, "top words taken out", "middle"))
    order = sorted(lines, key=lambda method: -lines[method][-1])
    for place, method in enumerate(order):
        name, color, dashes = LINES[method]
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(lines[method]))
        style = f'fill="none" stroke="{color}" stroke-width="2.5" stroke-dasharray="{dashes}"'
        parts.append(f'<polyline points="{points}" {style}/>')
        row = TOP + 24 + place * 24
        parts.append(f'<path d="M{RIGHT + 14} {row - 4}h32" {style}/>')
        parts.append(_text(RIGHT + 54, row, name, "start"))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" color="#777" '
        f'font-family="sans-serif" font-size="13">\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{words}</text>'
    )
