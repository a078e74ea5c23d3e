"""Float64 NumPy transcriptions of the equations in the cells' docstrings, gate by gate.

They take complex arrays too: the derivative by a parameter is the imaginary part of the result
over a tiny imaginary step, exact to rounding (Squire and Trapp, 1998).
"""

import numpy as np

LSTM_NAMES = ("input", "forget", "candidate", "output", "hidden", "cell")


def unedited(name, value, t):
    """What `edit` of every oracle is: a gate as it is computed, then a state after the step.

    Under the name "new cell", the cell state is passed where it is computed.
    """
    return value


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias = weights
    h, c = states
    w_i, w_f, w_g, w_o = np.split(kernel, 4, axis=1)
    u_i, u_f, u_g, u_o = np.split(recurrent, 4, axis=1)
    b_i, b_f, b_g, b_o = np.split(bias, 4)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        i = edit("input", sigmoid(x_t @ w_i + h @ u_i + b_i), t)
        f = edit("forget", sigmoid(x_t @ w_f + h @ u_f + b_f), t)
        g = edit("candidate", np.tanh(x_t @ w_g + h @ u_g + b_g), t)
        o = edit("output", sigmoid(x_t @ w_o + h @ u_o + b_o), t)
        new_c = edit("new cell", f * c + i * g, t)
        new_h = o * np.tanh(new_c)
        new_h, new_c = edit("hidden", new_h, t), edit("cell", new_c, t)
        c, h = np.where(keep, new_c, c), np.where(keep, new_h, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g, o)), h, c])
    return record(LSTM_NAMES, rows, mask)


def gru(x, weights, states, mask, reset_after=True, edit=unedited):
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
        z = edit("update", sigmoid(x_t @ w_z + h @ u_z + b_z + d_z), t)
        r = edit("reset", sigmoid(x_t @ w_r + h @ u_r + b_r + d_r), t)
        if reset_after:
            g = edit("candidate", np.tanh(x_t @ w_g + b_g + r * (h @ u_g + d_g)), t)
        else:
            g = edit("candidate", np.tanh(x_t @ w_g + b_g + (r * h) @ u_g), t)
        h = np.where(keep, edit("hidden", z * h + (1 - z) * g, t), h)
        rows.append([*(np.where(keep, gate, 0) for gate in (z, r, g)), h])
    return record(("update", "reset", "candidate", "hidden"), rows, mask)


def simple_rnn(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias = weights
    (h,) = states
    rows = []
    for t in range(x.shape[1]):
        keep = mask[:, t, None]
        g = edit("candidate", np.tanh(x[:, t] @ kernel + h @ recurrent + bias), t)
        h = np.where(keep, edit("hidden", g, t), h)
        rows.append([np.where(keep, g, 0), h])
    return record(("candidate", "hidden"), rows, mask)


def peephole_lstm(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias, p_i, p_f, p_o = weights
    h, c = states
    w_i, w_f, w_g, w_o = np.split(kernel, 4, axis=1)
    u_i, u_f, u_g, u_o = np.split(recurrent, 4, axis=1)
    b_i, b_f, b_g, b_o = np.split(bias, 4)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        i = edit("input", sigmoid(x_t @ w_i + h @ u_i + p_i * c + b_i), t)
        f = edit("forget", sigmoid(x_t @ w_f + h @ u_f + p_f * c + b_f), t)
        g = edit("candidate", np.tanh(x_t @ w_g + h @ u_g + b_g), t)
        new_c = edit("new cell", f * c + i * g, t)
        o = edit("output", sigmoid(x_t @ w_o + h @ u_o + p_o * new_c + b_o), t)
        new_h = o * np.tanh(new_c)
        new_h, new_c = edit("hidden", new_h, t), edit("cell", new_c, t)
        c, h = np.where(keep, new_c, c), np.where(keep, new_h, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g, o)), h, c])
    return record(LSTM_NAMES, rows, mask)


def coupled_lstm(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias = weights
    h, c = states
    w_f, w_g, w_o = np.split(kernel, 3, axis=1)
    u_f, u_g, u_o = np.split(recurrent, 3, axis=1)
    b_f, b_g, b_o = np.split(bias, 3)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        f = edit("forget", sigmoid(x_t @ w_f + h @ u_f + b_f), t)
        i = edit("input", 1 - f, t)
        g = edit("candidate", np.tanh(x_t @ w_g + h @ u_g + b_g), t)
        o = edit("output", sigmoid(x_t @ w_o + h @ u_o + b_o), t)
        new_c = edit("new cell", f * c + i * g, t)
        new_h = o * np.tanh(new_c)
        new_h, new_c = edit("hidden", new_h, t), edit("cell", new_c, t)
        c, h = np.where(keep, new_c, c), np.where(keep, new_h, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g, o)), h, c])
    return record(LSTM_NAMES, rows, mask)


def projected_lstm(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias, projection = weights
    h, c = states
    w_i, w_f, w_g, w_o = np.split(kernel, 4, axis=1)
    u_i, u_f, u_g, u_o = np.split(recurrent, 4, axis=1)
    b_i, b_f, b_g, b_o = np.split(bias, 4)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        i = edit("input", sigmoid(x_t @ w_i + h @ u_i + b_i), t)
        f = edit("forget", sigmoid(x_t @ w_f + h @ u_f + b_f), t)
        g = edit("candidate", np.tanh(x_t @ w_g + h @ u_g + b_g), t)
        o = edit("output", sigmoid(x_t @ w_o + h @ u_o + b_o), t)
        new_c = edit("new cell", f * c + i * g, t)
        new_h = (o * np.tanh(new_c)) @ projection
        new_h, new_c = edit("hidden", new_h, t), edit("cell", new_c, t)
        c, h = np.where(keep, new_c, c), np.where(keep, new_h, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g, o)), h, c])
    return record(LSTM_NAMES, rows, mask)


def relu(x):
    return np.where(x.real > 0, x, 0)


def nas(x, weights, states, mask, edit=unedited):
    kernel, recurrent, bias, *projection = weights
    h, c = states
    w, u, b = np.split(kernel, 8, axis=1), np.split(recurrent, 8, axis=1), np.split(bias, 8)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        a = [x_t @ w_k + h @ u_k + b_k for w_k, u_k, b_k in zip(w, u, b, strict=True)]
        a[3] = (x_t @ w[3]) * (h @ u[3] + b[3])
        for k, function in enumerate(
            (sigmoid, relu, sigmoid, relu, np.tanh, sigmoid, np.tanh, sigmoid)
        ):
            a[k] = function(a[k])
        g = edit("candidate", np.tanh(a[0] * a[1]), t)
        s = edit("scale", np.tanh(a[2] + a[3]), t)
        o = edit("output", np.tanh(np.tanh(a[4] * a[5]) + sigmoid(a[6] + a[7])), t)
        new_c = edit("new cell", s * np.tanh(g + c), t)
        new_h = np.tanh(o * new_c)
        for matrix in projection:
            new_h = new_h @ matrix
        new_h, new_c = edit("hidden", new_h, t), edit("cell", new_c, t)
        c, h = np.where(keep, new_c, c), np.where(keep, new_h, h)
        rows.append([*(np.where(keep, gate, 0) for gate in (g, s, o)), h, c])
    return record(("candidate", "scale", "output", "hidden", "cell"), rows, mask)


def esn(x, weights, states, mask, leaky=0.75, edit=unedited):
    kernel, recurrent, bias = weights
    (h,) = states
    rows = []
    for t in range(x.shape[1]):
        keep = mask[:, t, None]
        g = edit("candidate", np.tanh(x[:, t] @ kernel + h @ recurrent + bias), t)
        h = np.where(keep, edit("hidden", (1 - leaky) * h + leaky * g, t), h)
        rows.append([np.where(keep, g, 0), h])
    return record(("candidate", "hidden"), rows, mask)


def min_gru(x, weights, states, mask, activation=lambda x: x, edit=unedited):
    kernel, bias = weights
    (h,) = states
    w_z, w_g = np.split(kernel, 2, axis=1)
    b_z, b_g = np.split(bias, 2)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        z = edit("update", sigmoid(x_t @ w_z + b_z), t)
        g = edit("candidate", activation(x_t @ w_g + b_g), t)
        h = np.where(keep, edit("hidden", (1 - z) * h + z * g, t), h)
        rows.append([np.where(keep, z, 0), np.where(keep, g, 0), h])
    return record(("update", "candidate", "hidden"), rows, mask)


def rglru(x, weights, states, mask, activation=lambda x: x, edit=unedited):
    kernel, bias, decay = weights
    (h,) = states
    w_r, w_i, w_g = np.split(kernel, 3, axis=1)
    b_r, b_i, b_g = np.split(bias, 3)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        r = edit("recurrence", sigmoid(x_t @ w_r + b_r), t)
        i = edit("input", sigmoid(x_t @ w_i + b_i), t)
        g = edit("candidate", activation(x_t @ w_g + b_g), t)
        a = edit("forget", np.exp(-8 * np.log(1 + np.exp(decay)) * r), t)
        s = edit("scale", np.sqrt(np.maximum(1 - a**2, 0)), t)
        h = np.where(keep, edit("hidden", a * h + s * i * g, t), h)
        rows.append([*(np.where(keep, gate, 0) for gate in (r, i, a, s, g)), h])
    names = ("recurrence", "input", "forget", "scale", "candidate", "hidden")
    return record(names, rows, mask)


def min_lstm(x, weights, states, mask, activation=lambda x: x, edit=unedited):
    kernel, bias = weights
    (h,) = states
    w_i, w_f, w_g = np.split(kernel, 3, axis=1)
    b_i, b_f, b_g = np.split(bias, 3)
    rows = []
    for t in range(x.shape[1]):
        x_t, keep = x[:, t], mask[:, t, None]
        i = sigmoid(x_t @ w_i + b_i)
        f = sigmoid(x_t @ w_f + b_f)
        g = edit("candidate", activation(x_t @ w_g + b_g), t)
        i, f = edit("input", i / (f + i), t), edit("forget", f / (f + i), t)
        h = np.where(keep, edit("hidden", f * h + i * g, t), h)
        rows.append([*(np.where(keep, gate, 0) for gate in (i, f, g)), h])
    return record(("input", "forget", "candidate", "hidden"), rows, mask)


def positive(x):
    return np.where(x.real >= 0, x + 0.5, sigmoid(x))


def outputs_of(trace):
    """The layer's output at every step: the hidden state, zero before the first kept step."""
    begun = np.cumsum(trace["mask"], axis=1) > 0
    return np.where(begun[:, :, None], trace["hidden"], 0)


def restarted(oracle, x, weights, states, mask, resets, fresh=None, go_backwards=False):
    """The trace and the outputs of rows in which new sequences start, each piece by itself.

    `x`, `mask` and `resets` are in the order of the input's time, the results in running order.
    """
    fresh = [np.zeros_like(state) for state in states] if fresh is None else fresh
    rows = []
    for row in range(len(x)):
        pieces = np.split(np.arange(x.shape[1]), np.flatnonzero(resets[row, 1:]) + 1)
        if go_backwards:
            pieces = [piece[::-1] for piece in reversed(pieces)]
        traces = []
        for k, piece in enumerate(pieces):
            goes_on = k == 0 and (go_backwards or not resets[row, 0])
            first = [state[[row]] for state in (states if goes_on else fresh)]
            trace = oracle(x[[row]][:, piece], weights, first, mask[[row]][:, piece])
            traces.append({**trace, "outputs": outputs_of(trace)})
        rows.append({n: np.concatenate([t[n] for t in traces], axis=1) for n in traces[0]})
    trace = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return trace, trace.pop("outputs")


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


def record(names, rows, mask):
    columns = zip(*rows, strict=True)
    trace = {n: np.stack(column, axis=1) for n, column in zip(names, columns, strict=True)}
    return {**trace, "mask": mask}
