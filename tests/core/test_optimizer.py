"""AdamW against torch's over several steps, and its half-precision branch against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from mindformers.core.optimizer import AdamW

DECAY = 0.3
SETTINGS = {"beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "weight_decay": [DECAY, 0.0]}
RATES = (0.01, 0.02, 0.02, 0.005, 0.001)
SHAPES = {"matrix": (4, 3), "vector": (5,)}


def parameters_of(values: dict[str, np.ndarray], dtype: ms.Type) -> list[Parameter]:
    return [Parameter(Tensor(value, dtype), name=name) for name, value in values.items()]


def gradients_of_steps(rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    return [{name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()} for _ in RATES]


def take_steps(optimizer: AdamW, gradients: list[dict[str, np.ndarray]], factor: float = 1.0) -> None:
    for step, (lr, one) in enumerate(zip(RATES, gradients, strict=True), start=1):
        given = tuple(Tensor(g) for g in one.values())
        optimizer(given, Tensor(lr, ms.float32), optimizer.powers_at(step), Tensor(factor, ms.float32))


def steps_of_torch(start: dict[str, np.ndarray], gradients: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The matrix is decayed, the vector is not."""
    torch = pytest.importorskip("torch")
    tensors = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in start.items()}
    groups = [
        {"params": [tensors["matrix"]], "weight_decay": DECAY},
        {"params": [tensors["vector"]], "weight_decay": 0.0},
    ]
    betas = (SETTINGS["beta1"], SETTINGS["beta2"])
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=betas, eps=SETTINGS["eps"])
    for lr, one in zip(RATES, gradients, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = lr
        for name, gradient in one.items():
            tensors[name].grad = torch.tensor(gradient)
        optimizer.step()
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def step_by_numpy(
    start: dict[str, np.ndarray], gradients: list[dict[str, np.ndarray]], factor: float
) -> dict[str, np.ndarray]:
    """Algorithm 2 of the paper; after every step the weights are rounded to half precision, the state is not."""
    weights = {name: value.astype(np.float16) for name, value in start.items()}
    first = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    second = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    b1, b2, eps = SETTINGS["beta1"], SETTINGS["beta2"], SETTINGS["eps"]
    for t, (lr, one) in enumerate(zip(RATES, gradients, strict=True), start=1):
        for name, gradient in one.items():
            g = gradient.astype(np.float64) * factor
            first[name] = b1 * first[name] + (1 - b1) * g
            second[name] = b2 * second[name] + (1 - b2) * g * g
            decay = DECAY if name == "matrix" else 0.0
            w = weights[name].astype(np.float64) * (1 - lr * decay)
            w -= lr * (first[name] / (1 - b1**t)) / (np.sqrt(second[name] / (1 - b2**t)) + eps)
            weights[name] = w.astype(np.float16)
    return weights


def random_start(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}


def test_float32_steps_are_torchs(rng: np.random.Generator) -> None:
    start, gradients = random_start(rng), gradients_of_steps(rng)
    weights = parameters_of(start, ms.float32)
    take_steps(AdamW(weights, **SETTINGS), gradients)
    for weight, wanted in zip(weights, steps_of_torch(start, gradients).values(), strict=True):
        assert np.abs(wanted - start[weight.name]).max() > 0.02
        np.testing.assert_allclose(weight.asnumpy(), wanted, atol=2e-6)


def test_the_factor_is_multiplied_to_every_gradient(rng: np.random.Generator) -> None:
    start, gradients = random_start(rng), gradients_of_steps(rng)
    weights = parameters_of(start, ms.float32)
    optimizer = AdamW(weights, **SETTINGS)
    take_steps(optimizer, gradients, factor=0.125)
    smaller = [{name: g * np.float32(0.125) for name, g in one.items()} for one in gradients]
    for weight, wanted in zip(weights, steps_of_torch(start, smaller).values(), strict=True):
        np.testing.assert_allclose(weight.asnumpy(), wanted, atol=2e-6)
    mean = sum((1 - 0.8) * 0.8 ** (4 - i) * one["matrix"] for i, one in enumerate(smaller))
    np.testing.assert_allclose(optimizer.first[0].asnumpy(), mean, atol=1e-6)


def test_half_precision_steps_are_those_of_the_paper(rng: np.random.Generator) -> None:
    start, gradients = random_start(rng), gradients_of_steps(rng)
    weights = parameters_of(start, ms.float16)
    optimizer = AdamW(weights, **SETTINGS)
    take_steps(optimizer, gradients, factor=0.5)
    assert {state.dtype for state in (*optimizer.first, *optimizer.second)} == {ms.float32}
    for weight, wanted in zip(weights, step_by_numpy(start, gradients, 0.5).values(), strict=True):
        assert weight.dtype == ms.float16
        np.testing.assert_allclose(weight.asnumpy().astype(np.float32), wanted.astype(np.float32), atol=2e-3)
        assert np.abs(weight.asnumpy() - start[weight.name]).max() > 0.02


def test_the_state_is_named_after_the_weights(rng: np.random.Generator) -> None:
    optimizer = AdamW(parameters_of(random_start(rng), ms.float32), **SETTINGS)
    assert [p.name for p in optimizer.first] == ["adam_m.matrix", "adam_m.vector"]
    assert [p.name for p in optimizer.second] == ["adam_v.matrix", "adam_v.vector"]


def test_powers_of_a_step() -> None:
    optimizer = AdamW([Parameter(Tensor([1.0], ms.float32), name="w")], beta1=0.5, beta2=0.25)
    assert optimizer.powers_at(1).asnumpy().tolist() == [0.5, 0.25]
    assert optimizer.powers_at(3).asnumpy().tolist() == [0.125, 0.015625]
