"""Small routed layers for the tests: random tensors, choices, and outputs with all gradients."""

from __future__ import annotations

from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindformers.kernels.reference import MaskedSwiGLU
from mindformers.kernels.routed_ffn import ACTIVATION, LEARNED, RoutedSwiGLU, native_routed_swiglu
from mindformers.modules.router import ActivationRouter

ROUTINGS = (ACTIVATION, LEARNED)
NAMES = ("y", "dx", "dw1", "dw3", "dw2")


@dataclass
class Case:
    """Inputs of a layer: x [T, D], weights of E experts of `per` neurons, k [T] and a random mask [T, E] of that k."""

    x: Tensor
    w1: Tensor
    w3: Tensor
    w2: Tensor
    dy: Tensor
    k: Tensor
    mask: Tensor

    def choice(self, routing: str) -> Tensor:
        return self.mask if routing == LEARNED else self.k

    def inputs(self, routing: str) -> tuple[Tensor, ...]:
        return self.x, self.choice(routing), self.w1, self.w3, self.w2


def make_case(tokens: int, width: int, per: int, experts: int, seed: int = 0) -> Case:
    """Values of the order of one everywhere, k from 1 to E."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return Tensor((scale * rng.standard_normal(shape)).astype(np.float32))

    neurons = per * experts
    k = rng.integers(1, experts + 1, tokens)
    ranks = rng.random((tokens, experts)).argsort(1).argsort(1)
    return Case(
        x=normal(tokens, width),
        w1=normal(neurons, width, scale=width**-0.5),
        w3=normal(neurons, width, scale=width**-0.5),
        w2=normal(width, neurons, scale=neurons**-0.5),
        dy=normal(tokens, width),
        k=Tensor(k.astype(np.int32)),
        mask=Tensor((ranks < k[:, None]).astype(np.float32)),
    )


def native(experts: int, routing: str, is_training: bool = True) -> RoutedSwiGLU:
    cell = native_routed_swiglu(experts, routing)
    return cell.set_train(is_training)


def twin(experts: int, routing: str) -> MaskedSwiGLU:
    return MaskedSwiGLU(experts, ActivationRouter(experts) if routing == ACTIVATION else None)


class Summed(nn.Cell):
    """sum(y * dy), whose gradients are those of y in the direction dy."""

    def __init__(self, layer: nn.Cell) -> None:
        super().__init__()
        self.layer = layer

    def construct(self, x: Tensor, choice: Tensor, w1: Tensor, w3: Tensor, w2: Tensor, dy: Tensor) -> Tensor:
        return (self.layer(x, choice, w1, w3, w2) * dy).sum()


def run(layer: nn.Cell, case: Case, routing: str) -> dict[str, np.ndarray]:
    """y and all gradients under `NAMES`."""
    inputs = case.inputs(routing)
    y = layer(*inputs)
    gradients = ms.grad(Summed(layer), grad_position=(0, 2, 3, 4))(*inputs, case.dy)
    return dict(zip(NAMES, [y.asnumpy(), *(g.asnumpy() for g in gradients)], strict=True))


def assert_close(got: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float = 1e-4) -> None:
    """Relative to the largest value of each tensor."""
    for name, value in expected.items():
        scale = max(float(np.abs(value).max(initial=0)), 1e-30)
        assert got[name].shape == value.shape, name
        assert float(np.abs(got[name] - value).max(initial=0)) <= tolerance * scale, name
