"""Writes the `.safetensors` files of this folder: modules of PyTorch with inputs and outputs.

    KERAS_BACKEND=torch python -m tests.interop.torch.write

Each file has the parameters of a module below `module.`, the input `x`, and what the module
returns: `output`, `hidden` (`h_n`) and, of an LSTM, `cell` (`c_n`). So the backends whose test
environment has no PyTorch are tested with its numbers.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
FEATURES, UNITS = 3, 4

# The mode of the module in lower case, its dtype, and its options.
FILES = {
    "lstm": ("lstm", "float32", {}),
    "lstm_deep_both": ("lstm", "float32", {"num_layers": 2, "bidirectional": True}),
    "lstm_no_bias": ("lstm", "float32", {"bias": False, "bidirectional": True}),
    "lstm_projected": ("lstm", "float32", {"proj_size": 2}),
    "lstm_projected_deep_both": (
        "lstm",
        "float32",
        {"proj_size": 2, "num_layers": 2, "bidirectional": True},
    ),
    "lstm_float64": ("lstm", "float64", {"num_layers": 2}),
    "gru": ("gru", "float32", {}),
    "gru_deep_both": ("gru", "float32", {"num_layers": 3, "bidirectional": True}),
    "gru_no_bias": ("gru", "float32", {"bias": False, "num_layers": 2}),
    "gru_bfloat16": ("gru", "bfloat16", {}),
    "rnn_tanh": ("rnn_tanh", "float32", {}),
    "rnn_relu_deep_both": ("rnn_relu", "float32", {"num_layers": 2, "bidirectional": True}),
    "rnn_float16": ("rnn_tanh", "float16", {"bidirectional": True}),
}


def write(name):
    import torch
    from safetensors.torch import save_file

    mode, dtype, options = FILES[name]
    if mode.startswith("rnn"):
        options = {**options, "nonlinearity": mode.partition("_")[2]}
    torch.manual_seed(list(FILES).index(name))
    kind = getattr(torch.nn, mode.partition("_")[0].upper())
    module = kind(FEATURES, UNITS, batch_first=True, dtype=getattr(torch, dtype), **options)
    x = torch.randn(2, 5, FEATURES).to(module.weight_ih_l0.dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-1, 1)
        output, states = module(x)
    states = states if mode == "lstm" else (states,)
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    tensors |= {"x": x, "output": output}
    tensors |= dict(zip(("hidden", "cell"), states, strict=False))
    path = FOLDER / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)


if __name__ == "__main__":
    for name in FILES:
        write(name)
