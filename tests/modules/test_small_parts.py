"""Linear, norm, masks and cache by hand."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor

from mindformers.modules.kv_cache import KVCache
from mindformers.modules.linear import Linear
from mindformers.modules.mask import CachedMask, CausalMask
from mindformers.modules.norm import RMSNorm


def test_linear_is_a_product_with_the_transposed_weight(rng: np.random.Generator) -> None:
    layer = Linear(3, 4, has_bias=True)
    weight, bias = rng.standard_normal((4, 3)).astype(np.float32), np.arange(4, dtype=np.float32)
    layer.weight.set_data(Tensor(weight))
    layer.bias.set_data(Tensor(bias))
    x = rng.standard_normal((2, 5, 3)).astype(np.float32)
    found = layer(Tensor(x)).asnumpy()
    assert found.shape == (2, 5, 4)
    np.testing.assert_allclose(found, x @ weight.T + bias, atol=1e-6)


def test_linear_holds_and_computes_in_the_types_it_is_told() -> None:
    layer = Linear(3, 4, ms.float16, ms.float32)
    assert (layer.weight.dtype, layer.bias) == (ms.float32, None)
    assert layer(Tensor(np.ones((1, 3)), ms.float32)).dtype == ms.float16


def test_norm_divides_by_the_root_mean_square() -> None:
    norm = RMSNorm(4, eps=0.25)
    norm.weight.set_data(Tensor([1.0, 2.0, 3.0, 4.0], ms.float32))
    x = Tensor([[1.0, 1.0, 1.0, 1.0], [3.0, 0.0, 0.0, 1.0]], ms.float32)
    roots = np.sqrt([1 + 0.25, 2.5 + 0.25])[:, None]
    np.testing.assert_allclose(norm(x).asnumpy(), x.asnumpy() / roots * [1, 2, 3, 4], rtol=1e-6)


def test_norm_gives_back_the_type_it_got() -> None:
    found = RMSNorm(2)(Tensor([[300.0, 400.0]], ms.float16))  # the squares do not fit into half precision
    assert found.dtype == ms.float16
    np.testing.assert_allclose(found.asnumpy(), [[0.8485, 1.1314]], rtol=1e-3)


def drawn(mask: Tensor) -> list[list[str]]:
    return [["".join("x" if seen else "." for seen in row) for row in rows[0]] for rows in mask.asnumpy()]


def test_a_query_sees_itself_and_what_stood_before() -> None:
    mask = CausalMask(8, pad_token_id=0)(Tensor([[1, 5, 6, 7]], ms.int32))
    assert mask.dtype == ms.bool_
    assert drawn(mask) == [["x...", "xx..", "xxx.", "xxxx"]]


def test_padding_in_front_is_hidden_and_the_same_id_inside_is_not() -> None:
    mask = CausalMask(8, pad_token_id=0)(Tensor([[0, 0, 1, 5], [1, 0, 5, 0]], ms.int32))
    assert drawn(mask) == [["....", "....", "..x.", "..xx"], ["x...", "xx..", "xxx.", "xxxx"]]


def test_a_decoded_position_sees_the_cache_up_to_itself() -> None:
    mask = CachedMask(6)(Tensor([0, 2, 3], ms.int32), 4)
    assert drawn(mask) == [["x..."], ["xxx."], ["xxxx"]]


def test_the_cache_keeps_a_prompt_and_takes_positions_in(rng: np.random.Generator) -> None:
    batch, heads, length, head_dim = 2, 3, 6, 4
    cache = KVCache(batch, heads, length, head_dim, ms.float32)
    keys, values = (rng.standard_normal((batch, heads, 4, head_dim)).astype(np.float32) for _ in range(2))
    seen = cache(Tensor(keys), Tensor(values), None)
    assert [np.array_equal(a.asnumpy(), b) for a, b in zip(seen, (keys, values), strict=True)] == [True, True]
    key, value = (rng.standard_normal((batch, heads, 1, head_dim)).astype(np.float32) for _ in range(2))
    found = cache(Tensor(key), Tensor(value), Tensor([4, 2], ms.int32))
    for cached, prompt, one in zip(found, (keys, values), (key, value), strict=True):
        wanted = np.zeros((batch, heads, length, head_dim), np.float32)
        wanted[:, :, :4] = prompt
        wanted[0, :, 4], wanted[1, :, 2] = one[0, :, 0], one[1, :, 0]
        assert np.array_equal(cached.asnumpy(), wanted)


def test_a_prompt_goes_into_its_slot_and_leaves_the_others_alone() -> None:
    cache = KVCache(3, 2, 5, 2, ms.float32)
    ones, threes = np.ones((3, 2, 4, 2), np.float32), np.full((1, 2, 2, 2), 3.0, np.float32)
    cache(Tensor(ones), Tensor(ones))
    cache(Tensor(threes), Tensor(threes), Tensor([1], ms.int32))
    keys = cache.keys.asnumpy().reshape(3, 2, 5, 2)
    assert keys[0, :, :, 0].tolist() == keys[2, :, :, 0].tolist() == [[1, 1, 1, 1, 0]] * 2
    assert keys[1, :, :2, 0].tolist() == [[3, 3]] * 2  # what is behind is overwritten before it is visible


def test_slots_take_over_the_contents_of_others() -> None:
    cache = KVCache(3, 2, 2, 1, ms.float32)
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2, 1)
    cache(Tensor(values), Tensor(-values))
    cache.rearrange(Tensor([2, 2, 0], ms.int32))
    assert np.array_equal(cache.keys.asnumpy().reshape(3, 2, 2, 1), values[[2, 2, 0]])
    assert np.array_equal(cache.values.asnumpy().reshape(3, 2, 2, 1), -values[[2, 2, 0]])
