"""The native decode step beside the network's own `decode`: same logits, same caches; a text minds no other text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from mindformers.kernels import decode
from mindformers.kernels.decode import NO_OUTPUT, NativeDecoder, native_decoder
from mindformers.kernels.decode_draft import RoundedWeights, read_bytes
from mindformers.kernels.decode_weights import DecodeWeights, LayerWeights
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
BY_EXPERT = {f"{name}, by expert": VARIANTS[name] for name in ("learned", "learned, odd")}
VARIANTS |= BY_EXPERT
ROUTED = ("plain", "activation, odd", "learned, odd", "learned, odd, by expert")
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
    """With random norms and routers, and w2 by expert where the name says so."""
    net = tiny_net(**VARIANTS[variant])
    rng = np.random.default_rng(1)
    for parameter in net.get_parameters():
        if "norm" in parameter.name or "router" in parameter.name:
            centre = 1.0 if "norm" in parameter.name else 0.0
            value = centre + 0.3 * rng.standard_normal(parameter.shape)
            parameter.set_data(Tensor(value.astype(np.float32)))
    if variant in BY_EXPERT:
        net.prepare_generation()
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


def decoder_of(net: LlamaForCausalLM, values: Sequence[np.ndarray]) -> NativeDecoder:
    """Whose caches hold these values."""
    found = native_decoder(decode_weights(net), values[0].shape[0] // net.config.num_kv_heads, LENGTH)
    found.caches[:] = np.stack(values).reshape(found.caches.shape)
    return found


def rows_for(slots: Sequence[int], ids: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """One for each slot, the results in the same order."""
    return np.stack((slots, ids, positions, np.arange(len(slots))), axis=1)


def run(
    net: LlamaForCausalLM, ids: np.ndarray, positions: np.ndarray, values: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and caches [layers, 2, slots, G, L, d] behind a step of all slots."""
    decoder = decoder_of(net, values)
    return decoder.step(rows_for(range(len(ids)), ids, positions), len(ids)), decoder.caches


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
        ("learned, odd, by expert", 1),
        ("learned, odd, by expert", 33),
    ],
)
def test_logits_and_caches_are_those_of_the_network(variant: str, batch: int) -> None:
    net = net_of(variant)
    ids, positions, values = make_inputs(net, batch)
    expected_caches = new_caches(net, values)
    expected = Twin(net, expected_caches)(Tensor(ids), Tensor(positions)).asnumpy()
    got, caches = run(net, ids, positions, values)
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)
    wanted = np.stack([parameter.asnumpy() for parameter in tensors_of(expected_caches)]).reshape(caches.shape)
    np.testing.assert_allclose(caches, wanted, atol=1e-4, rtol=0)
    is_changed = (caches != np.stack(values).reshape(caches.shape)).any(-1)
    assert (is_changed.sum(-1) == 1).all()
    assert (is_changed.argmax(-1) == positions[:, None]).all()


@pytest.mark.parametrize("variant", ROUTED)
def test_a_text_has_the_same_bits_alone_and_in_any_company(variant: str) -> None:
    net, batch = net_of(variant), 33
    ids, positions, values = make_inputs(net, batch)
    together, caches = run(net, ids, positions, values)
    for row in (0, 1, 7, 32):
        alone, own_caches = run(net, ids[[row]], positions[[row]], rows_of(values, row, batch))
        assert alone.tobytes() == together[row].tobytes()
        assert own_caches.tobytes() == caches[:, :, [row]].tobytes()


@pytest.mark.parametrize("variant", ROUTED)
def test_slots_without_a_row_are_left_alone(variant: str) -> None:
    net, batch = net_of(variant), 8
    ids, positions, values = make_inputs(net, batch)
    together, caches = run(net, ids, positions, values)
    chosen = [6, 0, 2]
    decoder = decoder_of(net, values)
    got = decoder.step(rows_for(chosen, ids[chosen], positions[chosen]), len(chosen))
    assert got.tobytes() == together[chosen].tobytes()
    untouched = np.stack(values).reshape(caches.shape)
    untouched[:, :, chosen] = caches[:, :, chosen]
    assert decoder.caches.tobytes() == untouched.tobytes()


def test_a_step_gives_the_same_bits_again() -> None:
    net = net_of("learned")
    ids, positions, values = make_inputs(net, 17)
    decoder = decoder_of(net, values)
    rows = rows_for(range(17), ids, positions)
    assert len({decoder.step(rows, 17).tobytes() for _ in range(5)}) == 1


@pytest.mark.parametrize("variant", ROUTED)
def test_a_prompt_has_the_same_bits_whole_in_pieces_and_beside_others(variant: str) -> None:
    net = net_of(variant)
    ids, positions, values = make_inputs(net, 3)
    prompt = np.random.default_rng(5).integers(0, net.config.vocab_size, LENGTH).astype(np.int32)
    rows = np.stack((np.full(LENGTH, 1), prompt, np.arange(LENGTH), np.full(LENGTH, NO_OUTPUT)), axis=1)
    rows[-1, 3] = 0
    one_by_one, at_once, beside = (decoder_of(net, values) for _ in range(3))
    for row in rows[:-1]:
        one_by_one.step(row[None], 0)
    expected = one_by_one.step(rows[-1:], 1)
    assert at_once.step(rows, 1).tobytes() == expected.tobytes()
    assert at_once.caches.tobytes() == one_by_one.caches.tobytes()
    beside.step(rows[:7], 0)
    others = rows_for([0, 2], ids[[0, 2]], positions[[0, 2]])
    others[:, 3] += 1
    got = beside.step(np.concatenate((others[:1], rows[7:], others[1:])), 3)
    assert got[0].tobytes() == expected.tobytes()
    assert beside.caches[:, :, 1].tobytes() == one_by_one.caches[:, :, 1].tobytes()


def test_more_rows_than_are_computed_together_give_the_same_bits() -> None:
    net, batch = net_of("plain"), 150
    ids, positions, values = make_inputs(net, batch)
    together, _ = run(net, ids, positions, values)
    for row in (127, 128, 149):
        alone, _ = run(net, ids[[row]], positions[[row]], rows_of(values, row, batch))
        assert alone.tobytes() == together[row].tobytes()


@pytest.mark.parametrize("variant", ["plain", "learned, odd"])
def test_a_loop_chooses_what_single_steps_do(variant: str) -> None:
    net, num_steps = net_of(variant), 6
    ids, positions, values = make_inputs(net, 3)
    rows, counts = rows_for([2, 0], ids[[2, 0]], np.asarray([LENGTH - 3, 4])), [3, 100]
    positions = rows[:, 2].copy()
    decoder, expected = decoder_of(net, values), np.full((2, num_steps), -1, np.int32)
    last = rows[:, 1]
    for i in range(num_steps):
        running = [row for row in (0, 1) if i < counts[row]]
        here = rows_for(rows[running, 0], last[running], positions[running] + i)
        last = last.copy()
        last[running] = decoder.step(here, len(running)).argmax(-1)
        expected[running, i] = last[running]
    counts = [3, LENGTH - 4]
    assert decoder_of(net, values).continue_greedily(rows, counts, num_steps).tolist() == expected.tolist()
    end = expected[1, 2]
    first = int(np.flatnonzero(expected[1] == end)[0])
    ended = decoder_of(net, values).continue_greedily(rows, counts, num_steps, int(end))
    assert ended[1].tolist() == [*expected[1, : first + 1], *[-1] * (num_steps - first - 1)]
    stopped = decoder_of(net, values).continue_greedily(rows, counts, num_steps, stop_at_end=True)
    assert stopped.tolist() == [[*row[:3], -1, -1, -1] for row in expected.tolist()]


def test_a_cache_is_rearranged_as_far_as_it_is_used() -> None:
    net = net_of("plain")
    _, _, values = make_inputs(net, 3)
    decoder = decoder_of(net, values)
    before = decoder.caches.copy()
    decoder.rearrange([2, 0, 0], 9)
    assert (decoder.caches[:, :, :, :, :9] == before[:, :, [2, 0, 0], :, :9]).all()
    assert (decoder.caches[:, :, :, :, 9:] == before[:, :, :, :, 9:]).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("batch", [1, 3, 6])
def test_rounded_weights_give_nearly_the_same_logits(variant: str, batch: int) -> None:
    net = net_of(variant)
    ids, positions, values = make_inputs(net, batch)
    expected, _ = run(net, ids, positions, values)
    decoder = decoder_of(net, values)
    rounded = RoundedWeights(decoder.library, decoder.weights)
    got = decoder.step(rows_for(range(batch), ids, positions), batch, None, rounded)
    share = 0.1 if net.config.experts is None else 0.7  # a rounded sum may choose another expert
    assert 0 < np.abs(got - expected).mean() < share * expected.std()
    columns = np.asarray([3, 4, 5, 9])
    some = decoder_of(net, values).step(rows_for(range(batch), ids, positions), batch, columns, rounded)
    np.testing.assert_allclose(some, got[:, columns], atol=1e-4)


def test_rounded_weights_are_a_quarter_and_zero_where_the_weights_are() -> None:
    net = tiny_net(experts=None, hidden_size=64, intermediate_size=128)
    weights = decode_weights(net)
    weights.head.set_data(Tensor(np.zeros(weights.head.shape, np.float32)))
    _, _, values = make_inputs(net, 1)
    decoder = decoder_of(net, values)
    rounded = RoundedWeights(decoder.library, weights)
    assert rounded.num_bytes < 0.32 * read_bytes(weights)
    row = rows_for([0], np.asarray([5]), np.asarray([0]))
    assert not decoder.step(row, 1, None, rounded).any()


def test_an_exact_step_writes_over_what_guesses_left() -> None:
    net = net_of("plain")
    ids, _, values = make_inputs(net, 1)
    rows = np.stack((np.zeros(6), np.arange(6) + ids[0] % 50, np.arange(20, 26), np.arange(6)), axis=1).astype(np.int32)
    expected, decoder = decoder_of(net, values).step(rows, 6), decoder_of(net, values)
    decoder.step(rows, 6, None, RoundedWeights(decoder.library, decoder.weights))
    assert decoder.step(rows, 6).tobytes() == expected.tobytes()


def test_steps_go_on_from_a_prompt_as_the_whole_text_would() -> None:
    net = net_of("activation")
    text = np.random.default_rng(0).integers(3, net.config.vocab_size, 12).astype(np.int32)
    decoder = native_decoder(decode_weights(net), 2, LENGTH)
    rows = np.stack((np.ones(12), text, np.arange(12), np.arange(12)), axis=1).astype(np.int32)
    got = decoder.step(rows, 12)
    expected = net(Tensor(text[None])).asnumpy()[0]
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", BY_EXPERT)
def test_the_layout_of_w2_changes_no_more_than_the_order_of_a_sum(variant: str) -> None:
    as_it_is, by_expert = net_of(variant.removesuffix(", by expert")), net_of(variant)
    assert decode_weights(by_expert).is_by_expert and not decode_weights(as_it_is).is_by_expert
    assert read_bytes(decode_weights(by_expert)) == read_bytes(decode_weights(as_it_is))
    ids, positions, values = make_inputs(as_it_is, 8)
    expected, _ = run(as_it_is, ids, positions, values)
    got, _ = run(by_expert, ids, positions, values)
    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)


def test_weights_that_are_replaced_are_seen() -> None:
    net = tiny_net(experts=None)
    ids, positions, values = make_inputs(net, 1)
    decoder, rows = decoder_of(net, values), rows_for([0], ids, positions)
    before, weight = decoder.step(rows, 1), net.lm_head.weight
    turned = Tensor(weight.asnumpy().T.copy()).transpose(1, 0)  # a view, whose memory is not in order
    weight.set_data(turned * 2)
    np.testing.assert_allclose(decoder.step(rows, 1), 2 * before, rtol=1e-5)
    weight.set_data(turned)
    assert decoder.step(rows, 1).tobytes() == before.tobytes()


@pytest.mark.parametrize("columns", [[2, 40, 41, 42, 43, 44, 45, 7, 127], [2]])
def test_columns_have_the_bits_that_they_have_among_all(columns: list[int]) -> None:
    net = net_of("learned, odd")
    ids, positions, values = make_inputs(net, 9)
    every, _ = run(net, ids, positions, values)
    got = decoder_of(net, values).step(rows_for(range(9), ids, positions), 9, np.asarray(columns))
    assert got.tobytes() == every[:, columns].tobytes()


def test_wrong_inputs_are_refused_before_the_library_runs() -> None:
    net = net_of("plain")
    ids, positions, values = make_inputs(net, 3)
    decoder, rows = decoder_of(net, values), rows_for(range(3), ids, positions)
    with pytest.raises(ValueError, match="rows"):
        decoder.step(rows[:, :3], 3)
    with pytest.raises(ValueError, match="outputs"):
        decoder.step(rows, 2)
    for columns in (np.zeros(0), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="columns"):
            decoder.step(rows, 3, columns)
    with pytest.raises(ValueError, match="outside the model"):
        decoder.step(rows, 3, np.asarray([0, net.config.vocab_size]))
    with pytest.raises(ValueError, match="steps"):
        decoder.continue_greedily(rows, np.ones(3), 0)
    with pytest.raises(ValueError, match="counts"):
        decoder.continue_greedily(rows, np.ones(2), 1)


@pytest.mark.parametrize(("place", "value"), [(0, 3), (0, -1), (1, -1), (1, 10**6), (2, -1), (2, LENGTH)])
def test_values_outside_the_model_are_refused(place: int, value: int) -> None:
    net = net_of("plain")
    ids, positions, values = make_inputs(net, 3)
    decoder, rows = decoder_of(net, values), rows_for(range(3), ids, positions)
    rows[1, place] = value
    with pytest.raises(ValueError, match="outside the model"):
        decoder.step(rows, 3)


def test_a_loop_that_would_leave_its_slot_is_refused() -> None:
    net = net_of("plain")
    ids, _, values = make_inputs(net, 1)
    decoder, rows = decoder_of(net, values), rows_for([0], ids, np.asarray([LENGTH - 2]))
    assert decoder.continue_greedily(rows, [2], 2).min() >= 0
    for count in (3, 0):
        with pytest.raises(ValueError, match="outside the model"):
            decoder.continue_greedily(rows, [count], 1)


def test_wrong_weights_are_refused() -> None:
    net = net_of("learned")
    weights = decode_weights(net)
    for name, value in {"norm": weights.head, "num_heads": 5, "num_experts": 7, "routing": "guessed"}.items():
        with pytest.raises(ValueError):
            native_decoder(DecodeWeights(**{**vars(weights), name: value}), 2, LENGTH)
    layer = weights.layers[1]
    for name, value in {"wq": layer.w1, "wk": layer.w1, "w2": layer.w1, "router_bias": layer.attention_norm}.items():
        wrong = LayerWeights(**{**vars(layer), name: value})
        with pytest.raises(ValueError):
            native_decoder(DecodeWeights(**{**vars(weights), "layers": [weights.layers[0], wrong]}), 2, LENGTH)
    with pytest.raises(ValueError, match="slots"):
        native_decoder(weights, 0, LENGTH)
    for num_ids in (0, net.config.vocab_size + 1):
        with pytest.raises(ValueError, match="ids: got"):
            native_decoder(weights, 1, LENGTH, num_ids)


def test_logits_are_those_of_the_first_ids_where_the_others_are_not_to_be_chosen() -> None:
    weights, rows = decode_weights(net_of("plain")), np.asarray([[0, 5, 0, 0]], np.int32)
    whole = native_decoder(weights, 1, LENGTH).step(rows, 1)
    some = native_decoder(weights, 1, LENGTH, 40)
    assert np.array_equal(some.step(rows, 1), whole[:, :40])
    with pytest.raises(ValueError, match="outside the model"):
        some.step(np.asarray([[0, 40, 0, 0]], np.int32), 1)


def test_there_is_no_decoder_without_a_library_or_in_another_type(monkeypatch: pytest.MonkeyPatch) -> None:
    net = net_of("plain")
    assert native_decoder(decode_weights(net), 1, LENGTH) is not None
    assert native_decoder(None, 1, LENGTH) is None
    assert decode_weights(tiny_net(compute_dtype="float16")) is not None  # a CPU computes in float32 all the same
    wrapped = tiny_net(experts=None)
    wrapped.model.layers[1].attention.wv = nn.SequentialCell(wrapped.model.layers[1].attention.wv)
    assert decode_weights(wrapped) is None
    weights = decode_weights(net)
    halves = DecodeWeights(**{**vars(weights), "norm": ms.Parameter(weights.norm.astype(ms.float16))})
    assert native_decoder(halves, 1, LENGTH) is None
    monkeypatch.setattr(decode, "kernel_library", lambda: None)
    assert native_decoder(decode_weights(net), 1, LENGTH) is None
