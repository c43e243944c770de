"""The native routed feed-forward equals its twin in plain operators, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindformers.kernels.routed_ffn import ACTIVATION, LEARNED, RoutedSwiGLU, by_expert, native_routed_swiglu
from tests.kernels.layers import ROUTINGS, assert_close, make_case, native, run, twin

pytestmark = pytest.mark.usefixtures("library")
# Tokens, D, neurons per expert, E: odd sizes, one token, more tokens than a block of 1024 holds.
SHAPES = (
    (1, 16, 44, 4),
    (1, 64, 32, 16),
    (3, 16, 5, 3),
    (3, 1, 1, 1),
    (17, 48, 16, 16),
    (17, 33, 44, 2),
    (200, 64, 44, 16),
    (1100, 24, 7, 4),
)


@pytest.fixture(params=[ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=["graph", "pynative"])
def mode(request: pytest.FixtureRequest) -> Iterator[None]:
    before = ms.get_context("mode")
    ms.set_context(mode=request.param)
    yield
    ms.set_context(mode=before)


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_native_equals_its_twin(shape: tuple[int, int, int, int], routing: str) -> None:
    case = make_case(*shape)
    assert_close(run(native(shape[3], routing), case, routing), run(twin(shape[3], routing), case, routing))


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("routing", ROUTINGS)
def test_gradients_are_there_in_both_modes_in_training_and_without(routing: str, is_training: bool) -> None:
    case = make_case(5, 32, 20, 4)
    assert_close(run(native(4, routing, is_training), case, routing), run(twin(4, routing), case, routing))


@pytest.mark.parametrize("routing", ROUTINGS)
def test_a_gradient_in_inference_has_the_bits_of_one_in_training(routing: str) -> None:
    case = make_case(40, 32, 20, 4)
    kept, again = (run(native(4, routing, is_training), case, routing) for is_training in (True, False))
    for name, value in kept.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("routing", ROUTINGS)
def test_no_tokens_give_no_rows(routing: str) -> None:
    case = make_case(2, 16, 8, 2)
    choice = case.choice(routing)[:0]
    y = native(2, routing)(case.x[:0], choice, case.w1, case.w3, case.w2)
    assert y.shape == (0, 16)


@pytest.mark.parametrize("tokens", [1, 9, 300])
def test_experts_that_nobody_selected_get_no_gradient(tokens: int) -> None:
    case = make_case(tokens, 32, 20, 5)
    mask = np.zeros((tokens, 5), np.float32)
    mask[:, [1, 3]] = 1
    case.mask = Tensor(mask)
    got = run(native(5, LEARNED), case, LEARNED)
    for name in ("dw1", "dw3"):
        used = np.abs(got[name].reshape(5, 20 * 32)).max(1) > 0
        np.testing.assert_array_equal(used, mask[0] > 0)
    used = np.abs(got["dw2"].reshape(32, 5, 20)).max((0, 2)) > 0
    np.testing.assert_array_equal(used, mask[0] > 0)


@pytest.mark.parametrize("tokens", [1, 40])
def test_experts_that_nobody_selected_are_not_read(tokens: int) -> None:
    case = make_case(tokens, 32, 20, 4)
    mask = np.zeros((tokens, 4), np.float32)
    mask[:, 2] = 1
    case.mask = Tensor(mask)
    expected = run(twin(4, LEARNED), case, LEARNED)
    for name, axis in (("w1", 0), ("w3", 0), ("w2", 1)):
        weight = np.full_like(getattr(case, name).asnumpy(), np.nan)
        of_two = (slice(40, 60), slice(None))[:: 1 if axis == 0 else -1]
        weight[of_two] = getattr(case, name).asnumpy()[of_two]
        setattr(case, name, Tensor(weight))
    assert_close(run(native(4, LEARNED), case, LEARNED), expected)


def test_a_token_without_experts_gets_zeros() -> None:
    case = make_case(6, 16, 8, 4)
    mask = case.mask.asnumpy().copy()
    mask[2] = 0
    case.mask = Tensor(mask)
    got = run(native(4, LEARNED), case, LEARNED)
    assert not got["y"][2].any()
    assert not got["dx"][2].any()
    assert_close(got, run(twin(4, LEARNED), case, LEARNED))


@pytest.mark.parametrize("tokens", [1, 4, 60])
def test_of_equal_scores_the_lower_expert_wins(tokens: int) -> None:
    """All experts have the same W1 and W3, hence the same score; W2 tells which of them were used."""
    per, experts, width = 20, 6, 16
    case = make_case(tokens, width, per, experts)
    for name in ("w1", "w3"):
        one = getattr(case, name).asnumpy()[:per]
        setattr(case, name, Tensor(np.tile(one, (experts, 1))))
    mask = (np.arange(experts) < case.k.asnumpy()[:, None]).astype(np.float32)
    case.mask = Tensor(mask)
    lower = run(native(experts, LEARNED), case, LEARNED)
    assert_close(run(native(experts, ACTIVATION), case, ACTIVATION), lower, 1e-6)
    assert_close(run(twin(experts, ACTIVATION), case, ACTIVATION), lower)


def test_zero_input_still_uses_exactly_k() -> None:
    case = make_case(3, 16, 8, 4)
    case.x = Tensor(np.zeros((3, 16), np.float32))
    got = run(native(4, ACTIVATION), case, ACTIVATION)
    for value in got.values():
        assert not value.any()


@pytest.mark.parametrize("tokens", [1, 30])
def test_an_overflow_is_seen_in_the_result(tokens: int) -> None:
    case = make_case(tokens, 16, 8, 4)
    weight = case.w1.asnumpy().copy()
    weight[3 * 8] = np.nan
    case.w1, case.k = Tensor(weight), Tensor(np.ones(tokens, np.int32))
    got = run(native(4, ACTIVATION), case, ACTIVATION)
    assert np.isnan(got["y"]).all()


@pytest.mark.parametrize("counts", [[0, -3, 2], [4, 99, 1]])
def test_counts_out_of_range_are_taken_as_the_nearest_possible(counts: list[int]) -> None:
    case = make_case(3, 16, 8, 4)
    case.k = Tensor(np.asarray(counts, np.int32))
    got = native(4, ACTIVATION)(*case.inputs(ACTIVATION)).asnumpy()
    for token, k in enumerate(counts):
        if k <= 0:
            assert not got[token].any()
            continue
        case.k = Tensor(np.full(3, min(k, 4), np.int32))
        expected = twin(4, ACTIVATION)(*case.inputs(ACTIVATION)).asnumpy()
        np.testing.assert_allclose(got[token], expected[token], atol=1e-5)


def test_the_masks_gradient_is_each_selected_experts_contribution() -> None:
    case = make_case(30, 32, 20, 4)
    inputs = case.inputs(LEARNED)

    def gradient(layer):
        def loss(mask):
            return (layer(inputs[0], mask, *inputs[2:]) * case.dy).sum()

        return ms.grad(loss)(case.mask).asnumpy()

    selected = case.mask.asnumpy()
    np.testing.assert_allclose(gradient(native(4, LEARNED)), gradient(twin(4, LEARNED)) * selected, atol=1e-4)


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("routing", ROUTINGS)
def test_frozen_weights_leave_the_inputs_gradient_as_it_is(routing: str, is_training: bool) -> None:
    case = make_case(40, 32, 20, 4)
    layer = native(4, routing, is_training)
    expected = run(layer, case, routing)
    layer = native(4, routing, is_training)
    layer.freeze_weights()
    got = run(layer, case, routing)
    for name in ("y", "dx"):
        np.testing.assert_array_equal(got[name], expected[name], err_msg=name)
    assert not any(got[name].any() for name in ("dw1", "dw3", "dw2"))


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize("tokens", [1, 7, 300])
def test_the_same_input_gives_the_same_bits(tokens: int, routing: str) -> None:
    case = make_case(tokens, 64, 44, 16)
    layer = native(16, routing)
    first = run(layer, case, routing)
    for _ in range(3):
        for name, value in run(layer, case, routing).items():
            np.testing.assert_array_equal(value, first[name], err_msg=name)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_w2_by_expert_changes_no_more_than_the_order_of_a_sum(shape: tuple[int, int, int, int]) -> None:
    case, cell = make_case(*shape), native(shape[3], LEARNED, is_training=False)
    x, mask, w1, w3, w2 = case.inputs(LEARNED)
    laid_out = by_expert(w2, shape[3])
    assert laid_out.shape == (shape[3], shape[2], shape[1])
    expected = cell(x, mask, w1, w3, w2).asnumpy()
    got = cell(x, mask, w1, w3, Tensor(laid_out)).asnumpy()
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


def test_w2_by_expert_is_for_inference() -> None:
    case = make_case(3, 16, 8, 4)
    case.w2 = Tensor(by_expert(case.w2, 4))
    for cell, routing in ((native(4, LEARNED), LEARNED), (native(4, ACTIVATION, is_training=False), ACTIVATION)):
        with pytest.raises(ValueError, match=r"w2: got shape \(4, 8, 16\), expected \(16, 32\)"):
            cell(*case.inputs(routing)).asnumpy()


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("x", (3, 15), r"x: got shape \(3, 15\), expected \(3, 16\)"),
        ("w3", (32, 17), r"w3: got shape \(32, 17\), expected \(32, 16\)"),
        ("w2", (32, 16), r"w2: got shape \(32, 16\), expected \(16, 32\)"),
        ("mask", (3, 5), r"mask: got shape \(3, 5\), expected \(3, 4\)"),
        ("mask", (2, 4), r"mask: got shape \(2, 4\), expected \(3, 4\)"),
        ("k", (3, 1), r"k: got shape \(3, 1\), expected \(3,\)"),
    ],
)
def test_a_wrong_shape_is_refused_before_the_library_is_called(name: str, shape: tuple[int, ...], message: str) -> None:
    case = make_case(3, 16, 8, 4)
    setattr(case, name, Tensor(np.zeros(shape, np.int32 if name == "k" else np.float32)))
    routing = ACTIVATION if name == "k" else LEARNED
    with pytest.raises(ValueError, match=message):
        native(4, routing)(*case.inputs(routing)).asnumpy()


@pytest.mark.parametrize(("name", "dtype"), [("x", np.float16), ("w2", np.float64), ("mask", np.int32)])
def test_a_wrong_type_is_refused_before_the_library_is_called(name: str, dtype: type) -> None:
    case = make_case(3, 16, 8, 4)
    setattr(case, name, Tensor(getattr(case, name).asnumpy().astype(dtype)))
    with pytest.raises(TypeError, match="expected Float32"):
        native(4, LEARNED)(*case.inputs(LEARNED)).asnumpy()


def test_experts_must_divide_the_neurons() -> None:
    case = make_case(3, 16, 8, 4)
    case.mask = Tensor(np.ones((3, 5), np.float32))
    with pytest.raises(ValueError, match="experts: got 5, expected a divisor of the 32 neurons"):
        native(5, LEARNED)(*case.inputs(LEARNED)).asnumpy()


def test_an_unknown_routing_is_refused(library: Path) -> None:
    with pytest.raises(ValueError, match="routing: got 'random'"):
        RoutedSwiGLU(library, 4, "random")


def test_there_is_no_native_cell_for_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ms, "get_context", lambda key: "Ascend")
    assert native_routed_swiglu(4, LEARNED) is None
