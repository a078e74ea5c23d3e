"""Float64 NumPy transcriptions of the equations in the cells' docstrings, gate by gate.

They take complex arrays too: the derivative by a parameter is the imaginary part of the result
over a tiny imaginary step, exact to rounding (Squire and Trapp, 1998).
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, weights, states, mask):
    kernel, recurrent, bias = weights
    h, c = states
    w_i, w_f, w_g, w_o = np.split(kernel, 4, axis=1)
    u_i, u_f, u_g, u_o = np.split(recurrent, 4, axis=1)
    b_i, b_f, b_g, b_o = np.split(bias, 4)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        i = sigmoid(x_t @ w_i + h @ u_i + b_i)
        f = sigmoid(x_t @ w_f + h @ u_f + b_f)
        g = np.tanh(x_t @ w_g + h @ u_g + b_g)
        o = sigmoid(x_t @ w_o + h @ u_o + b_o)
        new_c = f * c + i * g
        new_h = o * np.tanh(new_c)
        c, h = np.where(keep, new_c, c), np.where(keep, new_h, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g, o)), h, c])
    names = ("input", "forget", "candidate", "output", "hidden", "cell")
    return _record(names, rows, mask)


def gru(x, weights, states, mask, reset_after=True):
    kernel, recurrent, bias = weights
    (h,) = states
    w_z, w_r, w_g = np.split(kernel, 3, axis=1)
    u_z, u_r, u_g = np.split(recurrent, 3, axis=1)
    first, second = bias if reset_after else (bias, np.zeros_like(bias))
    b_z, b_r, b_g = np.split(first, 3)
    d_z, d_r, d_g = np.split(second, 3)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        z = sigmoid(x_t @ w_z + h @ u_z + b_z + d_z)
        r = sigmoid(x_t @ w_r + h @ u_r + b_r + d_r)
        if reset_after:
            g = np.tanh(x_t @ w_g + b_g + r * (h @ u_g + d_g))
        else:
            g = np.tanh(x_t @ w_g + b_g + (r * h) @ u_g)
        h = np.where(keep, z * h + (1 - z) * g, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (z, r, g)), h])
    return _record(("update", "reset", "candidate", "hidden"), rows, mask)


def simple_rnn(x, weights, states, mask):
    kernel, recurrent, bias = weights
    (h,) = states
    rows = []
    for t in range(x.shape[1]):
        keep = mask[:, t, None]
        g = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
        h = np.where(keep, g, h)
        rows.append([np.where(keep, g, 0), h])
    return _record(("candidate", "hidden"), rows, mask)


def min_gru(x, weights, states, mask, activation=lambda x: x):
    kernel, bias = weights
    (h,) = states
    w_z, w_g = np.split(kernel, 2, axis=1)
    b_z, b_g = np.split(bias, 2)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        z = sigmoid(x_t @ w_z + b_z)
        g = activation(x_t @ w_g + b_g)
        h = np.where(keep, (1 - z) * h + z * g, h)
        rows.append([np.where(keep, z, 0), np.where(keep, g, 0), h])
    return _record(("update", "candidate", "hidden"), rows, mask)


def min_lstm(x, weights, states, mask, activation=lambda x: x):
    kernel, bias = weights
    (h,) = states
    w_i, w_f, w_g = np.split(kernel, 3, axis=1)
    b_i, b_f, b_g = np.split(bias, 3)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        i = sigmoid(x_t @ w_i + b_i)
        f = sigmoid(x_t @ w_f + b_f)
        g = activation(x_t @ w_g + b_g)
        i, f = i / (f + i), f / (f + i)
        h = np.where(keep, f * h + i * g, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g)), h])
    return _record(("input", "forget", "candidate", "hidden"), rows, mask)


def positive(x):
    return np.where(x.real >= 0, x + 0.5, sigmoid(x))


def outputs_of(trace):
    """The layer's output at every step: the hidden state, zero before the first kept step."""
    begun = np.cumsum(trace["mask"], axis=1) > 0
    return np.where(begun[:, :, None], trace["hidden"], 0)


def complex_step(function, arrays, step=1e-30):
    """The gradient of a real-valued function of arrays, by each of their elements."""
    arrays = [array.astype("complex128") for array in arrays]
    gradients = []
    for array in arrays:
        gradient = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            array[index] += 1j * step
            gradient[index] = function(arrays).imag / step
            array[index] -= 1j * step
        gradients.append(gradient)
    return gradients


def _record(names, rows, mask):
    columns = zip(*rows, strict=True)
    trace = {n: np.stack(column, axis=1) for n, column in zip(names, columns, strict=True)}
    return {**trace, "mask": mask}
