"""The native decode step beside the network's own `decode`: same logits, same caches; a row minds no other row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from mindformers.kernels import decode
from mindformers.kernels.decode import NativeDecode, native_decode, native_greedy
from mindformers.models.llama.decode_weights import decode_weights
from mindformers.models.llama.llama import LlamaForCausalLM
from tests.models.tiny import tiny_net

LENGTH = 40
ACTIVATION = {"num_experts": 16, "routing": "activation"}
LEARNED = {"num_experts": 16, "routing": "learned"}
FEW_EXPERTS = {"num_experts": 4, "top_k": {"text": 3, "molecule": 1}}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"experts": None},
    "grouped, tied, odd": {
        "experts": None,
        "n_kv_heads": 2,
        "tie_word_embeddings": True,
        "hidden_size": 40,
        "intermediate_size": 52,
    },
    "long heads": {"experts": None, "hidden_size": 176, "num_heads": 2, "n_kv_heads": 1, "vocab_size": 131},
    "activation": {"experts": ACTIVATION},
    "activation, odd": {
        "experts": {**FEW_EXPERTS, "routing": "activation"},
        "hidden_size": 72,
        "intermediate_size": 44,
    },
    "learned": {"experts": LEARNED},
    "learned, odd": {
        "experts": {**FEW_EXPERTS, "routing": "learned"},
        "hidden_size": 72,
        "n_kv_heads": 1,
        "intermediate_size": 44,
    },
}
ROUTED = ("plain", "activation, odd", "learned, odd")
pytestmark = pytest.mark.usefixtures("library")


class Twin(nn.Cell):
    """The network's own step."""

    def __init__(self, net: LlamaForCausalLM, caches: nn.CellList) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.caches = net, caches

    def construct(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.net.decode(ids, positions, self.caches)


@cache
def net_of(variant: str) -> LlamaForCausalLM:
    """With random norms and routers."""
    net = tiny_net(**VARIANTS[variant])
    rng = np.random.default_rng(1)
    for parameter in net.get_parameters():
        if "norm" in parameter.name or "router" in parameter.name:
            centre = 1.0 if "norm" in parameter.name else 0.0
            value = centre + 0.3 * rng.standard_normal(parameter.shape)
            parameter.set_data(Tensor(value.astype(np.float32)))
    return net.set_train(False)


def make_inputs(net: LlamaForCausalLM, batch: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """ids, positions with the first and the last one among them, and filled caches: keys and values by turns."""
    rng = np.random.default_rng(batch)
    ids = rng.integers(0, net.config.vocab_size, batch).astype(np.int32)
    positions = rng.integers(0, LENGTH, batch).astype(np.int32)
    positions[:2] = (LENGTH - 1, 0)[:batch]
    shape = (batch * net.config.num_kv_heads, LENGTH, net.config.head_dim)
    return ids, positions, [rng.standard_normal(shape, np.float32) for _ in range(2 * net.config.num_layers)]


def new_caches(net: LlamaForCausalLM, values: Sequence[np.ndarray]) -> nn.CellList:
    caches = net.new_caches(values[0].shape[0] // net.config.num_kv_heads, LENGTH)
    for parameter, value in zip(tensors_of(caches), values, strict=True):
        parameter.set_data(Tensor(value))
    return caches


def tensors_of(caches: nn.CellList) -> list[ms.Parameter]:
    return [parameter for layer in caches for parameter in (layer.keys, layer.values)]


def native(net: LlamaForCausalLM, caches: nn.CellList) -> NativeDecode:
    return native_decode(decode_weights(net), [(layer.keys, layer.values) for layer in caches])


def run(
    net: LlamaForCausalLM, ids: np.ndarray, positions: np.ndarray, values: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Logits and caches behind a native step."""
    caches = new_caches(net, values)
    logits = native(net, caches)(Tensor(ids), Tensor(positions)).asnumpy()
    return logits, [parameter.asnumpy() for parameter in tensors_of(caches)]


def rows_of(values: Sequence[np.ndarray], row: int, batch: int) -> list[np.ndarray]:
    """Caches of one row."""
    return [value.reshape(batch, -1, *value.shape[1:])[row] for value in values]


@pytest.mark.parametrize(
    ("variant", "batch"),
    [
        *[("plain", batch) for batch in (1, 8, 17, 33)],
        *[(variant, 3) for variant in VARIANTS],
        ("activation, odd", 17),
        ("learned, odd", 1),
        ("learned, odd", 33),
    ],
)
def test_logits_and_caches_are_those_of_the_network(variant: str, batch: int) -> None:
    net = net_of(variant)
    ids, positions, values = make_inputs(net, batch)
    expected_caches = new_caches(net, values)
    expected = Twin(net, expected_caches)(Tensor(ids), Tensor(positions)).asnumpy()
    got, caches = run(net, ids, positions, values)
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)
    for cached, wanted, before in zip(caches, tensors_of(expected_caches), values, strict=True):
        np.testing.assert_allclose(cached, wanted.asnumpy(), atol=1e-4, rtol=0)
        is_changed = (cached != before).any(-1).reshape(batch, -1, LENGTH)
        assert (is_changed.sum(-1) == 1).all()
        assert (is_changed.argmax(-1) == positions[:, None]).all()


@pytest.mark.parametrize("variant", ROUTED)
def test_a_row_has_the_same_bits_alone_and_in_any_company(variant: str) -> None:
    net, batch = net_of(variant), 33
    ids, positions, values = make_inputs(net, batch)
    together, caches = run(net, ids, positions, values)
    for row in (0, 1, 7, 32):
        alone, own_caches = run(net, ids[[row]], positions[[row]], rows_of(values, row, batch))
        assert alone.tobytes() == together[row].tobytes()
        for got, wanted in zip(own_caches, rows_of(caches, row, batch), strict=True):
            assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("variant", ROUTED)
def test_idle_rows_are_left_alone(variant: str) -> None:
    net, batch = net_of(variant), 8
    ids, positions, values = make_inputs(net, batch)
    together, caches = run(net, ids, positions, values)
    idle = np.array([False, True, False, False, True, True, False, True])
    ids[idle] = 10**6
    got, got_caches = run(net, ids, np.where(idle, -1, positions).astype(np.int32), values)
    assert got[~idle].tobytes() == together[~idle].tobytes()
    assert not got[idle].any()
    for row in range(batch):
        wanted = rows_of(values if idle[row] else caches, row, batch)
        for mine, other in zip(rows_of(got_caches, row, batch), wanted, strict=True):
            assert mine.tobytes() == other.tobytes()


def test_all_rows_may_be_idle() -> None:
    net = net_of("plain")
    ids, positions, values = make_inputs(net, 3)
    logits, caches = run(net, ids, np.full_like(positions, -1), values)
    assert not logits.any()
    assert all(got.tobytes() == before.tobytes() for got, before in zip(caches, values, strict=True))


def test_a_step_gives_the_same_bits_again() -> None:
    net = net_of("learned")
    ids, positions, values = make_inputs(net, 17)
    step = native(net, new_caches(net, values))
    answers = {step(Tensor(ids), Tensor(positions)).asnumpy().tobytes() for _ in range(5)}
    assert len(answers) == 1


@pytest.mark.parametrize("variant", ["plain", "learned, odd"])
def test_a_loop_chooses_what_single_steps_do(variant: str) -> None:
    net, num_steps = net_of(variant), 6
    ids, positions, values = make_inputs(net, 3)
    positions[:] = (LENGTH - 3, 4, -1)
    step = native(net, new_caches(net, values))
    expected = np.full((3, num_steps), -1, np.int32)
    last, places = ids.copy(), positions.copy()
    for i in range(num_steps):
        last = step(Tensor(last), Tensor(places)).asnumpy().argmax(-1).astype(np.int32)
        expected[places >= 0, i] = last[places >= 0]
        places = np.where((places >= 0) & (places + 1 < LENGTH), places + 1, -1).astype(np.int32)
    assert greedily(net, values, num_steps, None, ids, positions).tolist() == expected.tolist()
    assert (expected[0] >= 0).sum() == 3
    end = expected[1, 2]
    first = int(np.flatnonzero(expected[1] == end)[0])
    ended = greedily(net, values, num_steps, int(end), ids, positions)
    assert ended[1].tolist() == [*expected[1, : first + 1], *[-1] * (num_steps - first - 1)]


def greedily(
    net: LlamaForCausalLM,
    values: Sequence[np.ndarray],
    num_steps: int,
    end: int | None,
    ids: np.ndarray,
    positions: np.ndarray,
) -> np.ndarray:
    caches = [(layer.keys, layer.values) for layer in new_caches(net, values)]
    loop = native_greedy(decode_weights(net), caches, num_steps, end)
    return loop(Tensor(ids), Tensor(positions)).asnumpy()


def test_steps_go_on_from_a_prompt_as_the_whole_text_would() -> None:
    net = net_of("activation")
    text = np.random.default_rng(0).integers(3, net.config.vocab_size, (2, 12)).astype(np.int32)
    caches = net.new_caches(2, LENGTH)
    prompt = np.full(2, 8, np.int32)
    prefill = Prefill(net, caches)
    prefill(Tensor(text[:, :8]), Tensor(prompt))
    step = native(net, caches)
    for position in range(8, 12):
        got = step(Tensor(text[:, position]), Tensor(np.full(2, position, np.int32))).asnumpy()
    expected = net(Tensor(text)).asnumpy()[:, -1]
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)


class Prefill(nn.Cell):
    """Fills the caches."""

    def __init__(self, net: LlamaForCausalLM, caches: nn.CellList) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.caches = net, caches

    def construct(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.net.prefill(ids, lengths, self.caches)


def test_wrong_inputs_are_refused_before_the_library_runs() -> None:
    net = net_of("plain")
    ids, positions, values = make_inputs(net, 3)
    step = native(net, new_caches(net, values))
    with pytest.raises(ValueError, match="ids"):
        step(Tensor(ids[:2]), Tensor(positions))
    with pytest.raises(ValueError, match="positions"):
        step(Tensor(ids), Tensor(positions.reshape(3, 1)))
    with pytest.raises(TypeError, match="positions"):
        step(Tensor(ids), Tensor(positions.astype(np.float32)))


@pytest.mark.parametrize(("what", "value"), [("ids", -1), ("positions", LENGTH)])
def test_values_outside_the_model_are_refused(what: str, value: int) -> None:
    net = net_of("plain")
    ids, positions, values = make_inputs(net, 3)
    {"ids": ids, "positions": positions}[what][1] = value
    step = native(net, new_caches(net, values))
    with pytest.raises(RuntimeError):
        step(Tensor(ids), Tensor(positions)).asnumpy()


def test_wrong_weights_are_refused() -> None:
    net = net_of("learned")
    caches = [(layer.keys, layer.values) for layer in net.new_caches(2, LENGTH)]
    weights = decode_weights(net)
    for name, value in {"norm": weights.head, "num_heads": 5, "num_experts": 7, "routing": "guessed"}.items():
        with pytest.raises(ValueError):
            native_decode(decode.DecodeWeights(**{**vars(weights), name: value}), caches)
    layer = weights.layers[1]
    for name, value in {"wq": layer.w1, "wk": layer.w1, "w2": layer.w1, "router_bias": layer.attention_norm}.items():
        wrong = decode.LayerWeights(**{**vars(layer), name: value})
        with pytest.raises(ValueError):
            native_decode(decode.DecodeWeights(**{**vars(weights), "layers": [weights.layers[0], wrong]}), caches)
    (keys, values), other = caches
    short = net.new_caches(2, LENGTH - 1)[0].values
    with pytest.raises(ValueError, match="values"):
        native_decode(weights, [(keys, values), (other[0], short)])
    with pytest.raises(ValueError):
        native_decode(weights, caches[:1])


def test_there_is_no_native_step_without_a_library_or_in_another_type(monkeypatch: pytest.MonkeyPatch) -> None:
    net = net_of("plain")
    caches = [(layer.keys, layer.values) for layer in net.new_caches(1, LENGTH)]
    assert native_decode(decode_weights(net), caches) is not None
    assert native_decode(None, caches) is None
    assert decode_weights(tiny_net(compute_dtype="float16")) is not None  # a CPU computes in float32 all the same
    wrapped = tiny_net(experts=None)
    wrapped.model.layers[1].attention.wv = nn.SequentialCell(wrapped.model.layers[1].attention.wv)
    assert decode_weights(wrapped) is None
    halves = [tuple(ms.Parameter(part.astype(ms.float16)) for part in pair) for pair in caches]
    assert native_decode(decode_weights(net), halves) is None
    assert native_greedy(decode_weights(net), halves, 4, None) is None
    monkeypatch.setattr(decode, "kernel_library", lambda: None)
    assert native_decode(decode_weights(net), caches) is None
