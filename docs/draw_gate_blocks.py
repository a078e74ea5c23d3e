"""Draws where the gates are in the weights of Keras, PyTorch and ONNX, from the package's table.

    python docs/draw_gate_blocks.py

Each block has the letter of its gate. A weight of Keras has the blocks side by side, the others
have them on top of each other. An ONNX file has both biases of a layer in one tensor, Wb before Rb.
"""

from pathlib import Path

from keras_rnnkit.interop.gate_blocks import ORDERS

PICTURE = Path(__file__).resolve().parent / "assets" / "exchange" / "gate_blocks.svg"
LETTERS = {
    "input": "i",
    "forget": "f",
    "candidate": "g",
    "output": "o",
    "update": "z",
    "reset": "r",
}
COLOURS = {"i": "#4c9be8", "f": "#e8804c", "g": "#9aa5b1", "o": "#5fb878", "z": "#b98be0"}
COLOURS["r"] = "#e0c14c"
TITLES = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "RNN"}
FEATURES, STATE, BIAS = 26, 38, 14  # the sizes of the axes, those of a gate below
WIDE, HIGH = 26, 20
COLUMNS = {"keras": 60, "torch": 220, "onnx": 478}


def text(x, y, words, anchor="start"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="currentColor">{words}</text>'


def block(x, y, width, height, letter):
    middle = text(x + width / 2, y + height / 2 + 4, letter, "middle").replace(
        "currentColor", "#111"
    )
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{COLOURS[letter]}" '
        f'stroke="#fff"/>{middle}'
    )


def of_keras(kind, top):
    """The weights of a cell of Keras, below each other."""
    letters = [LETTERS[gate] for gate in ORDERS[kind]["keras"]]
    parts, y = [], top
    rows = {"kernel": [FEATURES], "recurrent_kernel": [STATE]}
    rows["bias"] = [BIAS] * (2 if kind == "gru" else 1)
    for name, heights in rows.items():
        parts.append(text(COLUMNS["keras"], y + 10, name))
        y += 14
        for height in heights:
            for i, letter in enumerate(letters):
                parts.append(block(COLUMNS["keras"] + i * WIDE, y, WIDE, height, letter))
            y += height
        y += 8
    return parts


def of_rows(kind, library, top, names):
    """Weights with the blocks on top of each other, in a row."""
    letters = [LETTERS[gate] for gate in ORDERS[kind][library]]
    parts, x = [], COLUMNS[library]
    step = 64 if library == "torch" else 48
    for name, width in zip(names, (FEATURES, STATE, BIAS, BIAS), strict=True):
        parts.append(text(x, top + 10, name))
        for i, letter in enumerate(letters):
            parts.append(block(x, top + 14 + i * HIGH, width, HIGH, letter))
        x += step
    return parts


def picture():
    """The drawing as SVG."""
    parts = [text(COLUMNS[name], 16, title) for name, title in HEADS.items()]
    top = 30
    for kind, title in TITLES.items():
        parts.append(text(0, top + 32, title))
        parts += of_keras(kind, top)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        parts += of_rows(kind, "torch", top, names)
        parts += of_rows(kind, "onnx", top, ("W", "R", "Wb", "Rb"))
        top += 168 if kind == "gru" else 152
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 660 {top}" '
        'color="#777" font-family="sans-serif" font-size="11">'
    )
    return "\n".join([start, *parts, "</svg>"]) + "\n"


HEADS = {"keras": "Keras", "torch": "PyTorch", "onnx": "ONNX"}

if __name__ == "__main__":
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(), "utf-8")
