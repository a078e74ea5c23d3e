"""Float64 NumPy transcriptions of the equations of the cells with layer normalization."""

import numpy as np

from tests.support.oracles import LSTM_NAMES, record, sigmoid, unedited


def normalized(a, epsilon):
    centred = a - a.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)


def layer_norm_simple_rnn(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias, gamma = weights
    (h,) = states
    rows = []
    for t in range(x.shape[1]):
        keep = mask[:, t, None]
        g = edit(
            "candidate",
            np.tanh(gamma * normalized(x[:, t] @ kernel + h @ recurrent, 1e-5) + bias),
            t,
        )
        h = np.where(keep, edit("hidden", g, t), h)
        rows.append([np.where(keep, g, 0), h])
    return record(("candidate", "hidden"), rows, mask)


def layer_norm_lstm(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias, gamma_x, beta_x, gamma_h, beta_h, gamma_c, beta_c = weights
    h, c = states
    rows = []
    for t in range(x.shape[1]):
        keep = mask[:, t, None]
        z = gamma_x * normalized(x[:, t] @ kernel, 1e-3) + beta_x
        z = z + gamma_h * normalized(h @ recurrent, 1e-3) + beta_h + bias
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
        i = edit("input", sigmoid(z_i), t)
        f = edit("forget", sigmoid(z_f), t)
        g = edit("candidate", np.tanh(z_g), t)
        o = edit("output", sigmoid(z_o), t)
        new_c = edit("new cell", gamma_c * normalized(f * c + i * g, 1e-3) + beta_c, t)
        new_h = o * np.tanh(new_c)
        new_h, new_c = edit("hidden", new_h, t), edit("cell", new_c, t)
        c, h = np.where(keep, new_c, c), np.where(keep, new_h, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g, o)), h, c])
    return record(LSTM_NAMES, rows, mask)


def layer_norm_gru(x, weights, states, mask, edit=unedited):
    kernel, recurrent, (b, d), gamma_x, gamma_h = weights
    (h,) = states
    u = h.shape[1]

    def norm(a, gamma):
        gates, candidate = normalized(a[:, : 2 * u], 1e-5), normalized(a[:, 2 * u :], 1e-5)
        return gamma * np.concatenate([gates, candidate], axis=1)

    rows = []
    for t in range(x.shape[1]):
        keep = mask[:, t, None]
        x_z, x_r, x_g = np.split(norm(x[:, t] @ kernel, gamma_x) + b, 3, axis=1)
        h_z, h_r, h_g = np.split(norm(h @ recurrent, gamma_h) + d, 3, axis=1)
        z = edit("update", sigmoid(x_z + h_z), t)
        r = edit("reset", sigmoid(x_r + h_r), t)
        g = edit("candidate", np.tanh(x_g + r * h_g), t)
        h = np.where(keep, edit("hidden", z * h + (1 - z) * g, t), h)
        rows.append([*(np.where(keep, gate, 0) for gate in (z, r, g)), h])
    return record(("update", "reset", "candidate", "hidden"), rows, mask)
