"""Expert centres: the columns that a learned router starts from.

A learned router scores experts by x C, one product for all. The activation router's score of expert e is

    s_e(x) = sum over its neurons of silu(x w1) (x w3)

For x ~ N(m, V) with diagonal V the linear function of x nearest to s_e in mean square is known in closed form. Stein's
lemma (Stein 1981), Cov(x, s) = V E[grad s], gives its slope: with z = x w1, u = x w3, c = w1 V w3,

    E[grad s] = sum of  w1 (E[silu'(z)] (m w3) + E[silu''(z)] c)  +  w3 E[silu(z)]
    E[s]      = sum of  E[silu(z)] (m w3) + E[silu'(z)] c

For small weights and m = 0 this is w1 (w1 w3) / 2 + w3 |w1|^2 / 4; the leading part z u / 2 of a neuron is even in x
and no line can follow it. A router has no constant term; the best line through zero adds, along V^-1 m,

    centre = g + V^-1 m (E[s] - m g) / (1 + m V^-1 m)        with g = E[grad s]   (Sherman & Morrison 1950)
"""

from __future__ import annotations

import numpy as np

from mindformers.experts.labels import check_labels

_NODES = 32
_SMALLEST_VARIANCE = 1e-6


def expert_centres(
    w1: np.ndarray,
    w3: np.ndarray,
    labels: np.ndarray,
    num_experts: int,
    mean: np.ndarray | None = None,
    variance: np.ndarray | None = None,
) -> np.ndarray:
    """The linear scores nearest to the activation router's: `x @ centres.T` in place of expert sums of h.

    Args:
        w1, w3: gate and value rows [F, D].
        labels: the neurons' experts, whole numbers [F].
        num_experts: E.
        mean, variance: of the layer's input x, each [D], as gathered on domain data. Without them x is taken to be of
            mean 0 and variance 1, as after an RMS norm whose weight is 1.

    Returns: float32 [E, D].
    Raises: InputError where the labels do not fit the weights.
    """
    labels = check_labels(labels[None], num_experts, "expert centres", expected_neurons=len(w1))[0]
    w1, w3 = np.asarray(w1, np.float32), np.asarray(w3, np.float32)
    mean = np.zeros(w1.shape[1], np.float32) if mean is None else np.asarray(mean, np.float32)
    variance = np.ones(w1.shape[1], np.float32) if variance is None else np.asarray(variance, np.float32)
    members = (labels == np.arange(num_experts)[:, None]).astype(np.float32)

    value, slope, curve = _silu_moments(w1 @ mean, np.sqrt((w1**2) @ variance))
    offset, common = w3 @ mean, np.einsum("fd,fd->f", w1 * variance, w3)
    gradient = (members * (slope * offset + curve * common)) @ w1 + (members * value) @ w3
    expected = members @ (value * offset + slope * common)

    lean = mean / np.maximum(variance, _SMALLEST_VARIANCE * float(variance.max()))
    constant = (expected - gradient @ mean) / (1 + mean @ lean)
    return (gradient + np.outer(constant, lean)).astype(np.float32)


def _silu_moments(mean: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """E[silu(z)], E[silu'(z)] and E[silu''(z)] for z ~ N(mean, deviation^2), each [F], by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    z = mean[:, None] + deviation[:, None] * nodes.astype(np.float32)
    sigmoid = 0.5 * (1 + np.tanh(z / 2))
    bell = sigmoid * (1 - sigmoid)
    slope = sigmoid + z * bell
    curve = bell * (2 + z * (1 - 2 * sigmoid))
    share = (weights / weights.sum()).astype(np.float32)
    return (z * sigmoid) @ share, slope @ share, curve @ share
