"""The routed feed-forward against the dense layer and against the published compute-then-mask form.

    python -m benchmarks.routed_ffn [--json F] [--seconds 15]

Every case is calls of a compiled graph, so what the framework costs is in it. Decoding is timed as it happens: steps
one behind the other, each through several layers with weights of their own, which together are more than a processor's
cache holds even where an eighth of them is read. Weights lie in large pages for all forms, as in the engine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from benchmarks.timing import Timing, compare, machine, save, table
from mindformers.kernels.large_pages import use_large_pages
from mindformers.kernels.routed_ffn import ACTIVATION, LEARNED, by_expert, native_routed_swiglu
from mindformers.modules.feed_forward import FeedForward
from mindformers.modules.router import ActivationRouter

D, F, E = 2048, 5632, 16
DECODE_K, TEXT_K = 2, 14
DECODE_BATCHES, DECODE_LAYERS, DECODE_STEPS = (1, 8), 8, 4
TRAIN_BATCH, TRAIN_LENGTH, MOLECULE_SHARE = 4, 256, 0.7
DENSE, PUBLISHED, MASKED = "dense", "published compute-then-mask", "masked, all is computed"
EXACT, PREDICTED = "native, exact router", "native, learned router"
DECODE_GOALS = {1: {PREDICTED: 6.0, EXACT: 1.2}, 8: {PREDICTED: 2.0}}
TRAIN_GOALS = {MASKED: 1 / 1.06, EXACT: 1.3, PREDICTED: 1.6}


class PublishedRouter(nn.Cell):
    """The published choice, its cost included: a top-k for each of two kinds of tokens, over scores of which those of
    the other kind are zero, and the sum of both masks."""

    def __init__(self, num_experts: int, num_neurons: int) -> None:
        super().__init__()
        self.num_experts, per = num_experts, num_neurons // num_experts
        self.patterns = Tensor(np.repeat(np.eye(num_experts, dtype=np.float32), per, axis=1))
        self.top_molecule, self.top_text = ops.TopK(), ops.TopK()
        self.multiply = ops.MatMul(transpose_b=True)
        self.gather = ops.Gather()

    def construct(self, h: Tensor, k: Tensor) -> Tensor:
        scores = self.multiply(ops.stop_gradient(h), self.patterns)
        is_molecule = ops.cast(k == DECODE_K, ms.float32)
        _, molecule = self.top_molecule(scores * is_molecule, DECODE_K)
        _, text = self.top_text(scores * (1.0 - is_molecule), TEXT_K)
        mask = self.gather(self.patterns, molecule, 0).sum(1) + self.gather(self.patterns, text, 0).sum(1)
        return ops.stop_gradient(ops.cast(mask > 0, ms.float32))


class PublishedFeedForward(nn.Cell):
    """All of h over the weights of another layer, then a mask of every neuron."""

    def __init__(self, layer: FeedForward) -> None:
        super().__init__()
        self.w1, self.w3, self.w2 = layer.w1, layer.w3, layer.w2
        self.router = PublishedRouter(E, F)

    def construct(self, x: Tensor, k: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        h = ops.silu(self.w1(rows)) * self.w3(rows)
        return self.w2(h * self.router(h, k.reshape(-1, 1))).reshape(x.shape)


class NativeFeedForward(nn.Cell):
    """The native cell over the weights of another layer."""

    def __init__(self, layer: FeedForward, routing: str) -> None:
        super().__init__()
        self.native = native_routed_swiglu(E, routing)
        if self.native is None:
            raise SystemExit("the native kernels are not available: nothing to measure")
        self.w1, self.w3, self.w2 = layer.w1, layer.w3, layer.w2
        self.w2_by_expert: Parameter | None = None

    def prepare_generation(self, name: str) -> None:
        """As the network's own layer does; outside of training only."""
        self.w2_by_expert = Parameter(Tensor.from_numpy(by_expert(self.w2.weight, E)), name, requires_grad=False)

    def construct(self, x: Tensor, choice: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        w2 = self.w2.weight if self.training or self.w2_by_expert is None else self.w2_by_expert
        return self.native(rows, choice, self.w1.weight, self.w3.weight, w2).reshape(x.shape)


class Stack(nn.Cell):
    """Layers on a residual stream."""

    def __init__(self, layers: list[nn.Cell]) -> None:
        super().__init__()
        self.layers = nn.CellList(layers)

    def construct(self, x: Tensor, choice: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x, choice)
        return x


class ForwardBackward(nn.Cell):
    """Gradients of one layer for its weights and its input."""

    def __init__(self, layer: nn.Cell) -> None:
        super().__init__()
        self.layer = layer.set_train()
        self.gradients = ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)
        self.weights = ms.ParameterTuple(layer.trainable_params())

    def construct(self, x: Tensor, choice: Tensor, dy: Tensor) -> Any:
        return self.gradients(self.layer, self.weights)(x, choice, dy)


def layers(rng: np.random.Generator) -> dict[str, nn.Cell]:
    """All forms over one set of weights, so that the cache of the processor helps none of them."""
    dense = FeedForward(D, F, ms.float32, ms.float32)
    for linear in (dense.w1, dense.w3, dense.w2):
        linear.weight.set_data(Tensor(rng.standard_normal(linear.weight.shape, np.float32) * 0.02))
    masked = FeedForward(D, F, ms.float32, ms.float32, ActivationRouter(E))
    masked.native = None
    masked.w1, masked.w3, masked.w2 = dense.w1, dense.w3, dense.w2
    return {
        DENSE: dense,
        PUBLISHED: PublishedFeedForward(dense),
        MASKED: masked,
        EXACT: NativeFeedForward(dense, ACTIVATION),
        PREDICTED: NativeFeedForward(dense, LEARNED),
    }


def choices(k: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
    """What every form is told: k of each token, or a random mask with as many experts."""
    ranks = rng.random((k.size, E)).argsort(1).argsort(1)
    counts, mask = Tensor(k.astype(np.int32)), Tensor((ranks < k.reshape(-1, 1)).astype(np.float32))
    return {DENSE: counts, PUBLISHED: counts, MASKED: counts, EXACT: counts, PREDICTED: mask}


def measure_decode(
    depth: list[dict[str, nn.Cell]], batch: int, rng: np.random.Generator, seconds: float
) -> list[Timing]:
    """A few new tokens for each of `batch` sequences, all of them molecules."""
    x = Tensor(rng.standard_normal((batch, 1, D), np.float32))
    told = choices(np.full(batch, DECODE_K), rng)
    stacks = {name: Stack([forms[name] for forms in depth]).set_train(False) for name in told}
    cases = {name: _steps(stack, x, told[name]) for name, stack in stacks.items()}
    title = f"decode, batch {batch}, top {DECODE_K} of {E}, {DECODE_STEPS} steps through {len(depth)} layers"
    return compare(title, cases, DECODE_GOALS[batch], seconds)


def measure_training(forms: dict[str, nn.Cell], rng: np.random.Generator, seconds: float) -> list[Timing]:
    """Forward and backward over molecules and text."""
    shape = (TRAIN_BATCH, TRAIN_LENGTH, D)
    x, dy = (Tensor(rng.standard_normal(shape, np.float32)) for _ in range(2))
    num_tokens = TRAIN_BATCH * TRAIN_LENGTH
    told = choices(np.where(rng.permutation(num_tokens) < MOLECULE_SHARE * num_tokens, DECODE_K, TEXT_K), rng)
    cases = {name: _call(ForwardBackward(form), x, told[name], dy) for name, form in forms.items()}
    share = f"{MOLECULE_SHARE:.0%} of top {DECODE_K}, the others of top {TEXT_K}"
    return compare(f"forward and backward, {TRAIN_BATCH}x{TRAIN_LENGTH} tokens, {share}", cases, TRAIN_GOALS, seconds)


def _steps(cell: nn.Cell, *inputs: Tensor) -> Callable[[], None]:
    call = _call(cell, *inputs)

    def steps() -> None:
        for _ in range(DECODE_STEPS):
            call()

    return steps


def _call(cell: nn.Cell, *inputs: Tensor) -> Callable[[], None]:
    def call() -> None:
        results = cell(*inputs)
        while isinstance(results, tuple):
            results = results[0]
        results.asnumpy()

    return call


def main() -> None:
    """Measure, print the table, and save it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="F", help="also write the figures to this file")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="time for each comparison; three times that for training"
    )
    arguments = parser.parse_args()
    ms.set_context(mode=ms.GRAPH_MODE)
    rng = np.random.default_rng(0)
    depth = [layers(rng) for _ in range(DECODE_LAYERS)]
    for number, forms in enumerate(depth):
        forms[PREDICTED].prepare_generation(f"w2_by_expert_{number}")
    use_large_pages(
        dict.fromkeys(weight for forms in depth for form in forms.values() for weight in form.get_parameters())
    )
    timings = [t for batch in DECODE_BATCHES for t in measure_decode(depth, batch, rng, arguments.seconds)]
    timings += measure_training(depth[0], rng, 3 * arguments.seconds)  # its rounds are the longest
    print(f"hidden {D}, width {F}, {E} experts; {machine()}\n\n{table(timings)}")
    if arguments.json:
        save(arguments.json, timings)


if __name__ == "__main__":
    main()
