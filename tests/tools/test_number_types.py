"""bfloat16 without a library, and conversions between the types of weights."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.tools.errors import InputError
from mindformers.tools.number_types import BFLOAT16, FLOAT_TYPES, converted, float_type, to_float32, type_name

EVERY = np.arange(2**16, dtype=np.uint16).view(BFLOAT16)


def test_every_bfloat16_comes_back_from_float32() -> None:
    back = converted(to_float32(EVERY), BFLOAT16, "all")["bfloat16"]
    numbers = ~np.isnan(to_float32(EVERY))
    assert np.array_equal(back[numbers], EVERY["bfloat16"][numbers])
    assert np.isnan(to_float32(back.view(BFLOAT16))[~numbers]).all()


@pytest.mark.parametrize(
    ("value", "bits"),
    [(1.0, 0x3F80), (-2.5, 0xC020), (1 + 2**-8, 0x3F80), (1 + 3 * 2**-8, 0x3F82), (3.4e38, 0x7F80), (0.0, 0)],
)
def test_rounding_is_to_the_nearest_even(value: float, bits: int) -> None:
    assert converted(np.array([value], np.float32), BFLOAT16, "x")["bfloat16"].tolist() == [bits]


def test_rounding_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
    values = values[~np.isnan(values)]
    wanted = torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(converted(values, BFLOAT16, "x")["bfloat16"], wanted)


def test_nothing_is_copied_where_nothing_changes() -> None:
    for dtype in FLOAT_TYPES.values():
        array = np.zeros(3, dtype)
        assert converted(array, dtype, "x") is array


def test_rows_and_columns_can_be_picked() -> None:
    table = EVERY[:12].reshape(3, 4)
    assert table[[2, 0]][:, [1]]["bfloat16"].tolist() == [[9], [1]]


def test_values_beyond_float16_are_refused() -> None:
    assert converted(np.array([65504.0, -np.inf], np.float32), np.dtype("<f2"), "x").tolist() == [65504.0, -np.inf]
    with pytest.raises(InputError, match="weight 7: holds 70000; expected float16"):
        converted(np.array([1.0, -7e4], np.float32), np.dtype("<f2"), "weight 7")


def test_names() -> None:
    assert [type_name(float_type(name, "x")) for name in FLOAT_TYPES] == list(FLOAT_TYPES)
    with pytest.raises(InputError, match="--dtype: unknown name 'float8'"):
        float_type("float8", "--dtype")
