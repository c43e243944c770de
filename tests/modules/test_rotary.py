"""Angles by hand, and what turning means."""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindformers.modules.rotary import RotaryEmbedding, rotary_tables, rotate
from mindformers.tools.errors import InputError


def angle(position: float, pair: int, head_dim: int, theta: float) -> float:
    """Position times theta^(-2 pair / d)."""
    return position * theta ** (-2 * pair / head_dim)


def check(tables: tuple[np.ndarray, np.ndarray], length: int, head_dim: int, scale: float, theta: float) -> None:
    cos, sin = tables
    assert cos.shape == sin.shape == (length, head_dim)
    assert cos.dtype == sin.dtype == np.float32
    for position in range(length):
        for pair in range(head_dim // 2):
            wanted = angle(position / scale, pair, head_dim, theta)
            for column in (pair, pair + head_dim // 2):
                assert cos[position, column] == pytest.approx(math.cos(wanted), abs=2e-6)
                assert sin[position, column] == pytest.approx(math.sin(wanted), abs=2e-6)


def test_plain_angles() -> None:
    check(rotary_tables(8, 12, theta=500.0), 12, 8, 1.0, 500.0)


def test_position_interpolation_divides_the_positions() -> None:
    check(rotary_tables(8, 12, theta=500.0, extend_method="PI", scaling_factor=4.0), 12, 8, 4.0, 500.0)


def test_ntk_raises_theta_by_factor_to_d_over_d_minus_2() -> None:
    tables = rotary_tables(8, 12, theta=500.0, extend_method="NTK", scaling_factor=4.0)
    check(tables, 12, 8, 1.0, 500.0 * 4.0 ** (8 / 6))


def test_ntk_keeps_the_fastest_angle_and_divides_the_slowest_by_the_factor() -> None:
    plain = rotary_tables(8, 5, theta=500.0)[1]
    ntk = rotary_tables(8, 5, theta=500.0, extend_method="NTK", scaling_factor=4.0)[1]
    assert np.array_equal(plain[:, 0], ntk[:, 0])
    assert math.asin(ntk[1, 3]) == pytest.approx(math.asin(plain[1, 3]) / 4, rel=1e-4)


def test_a_scaling_factor_without_a_method_does_nothing() -> None:
    assert np.array_equal(rotary_tables(8, 12, scaling_factor=4.0)[0], rotary_tables(8, 12)[0])


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match=r"extend_method: unknown name 'NTKK'.*did you mean 'NTK'"):
        rotary_tables(8, 12, extend_method="NTKK")


def test_a_quarter_turn_swaps_the_halves() -> None:
    x = Tensor(np.asarray([[1.0, 2.0, 3.0, 4.0]]), ms.float32)
    zeros, ones = Tensor(np.zeros((1, 4)), ms.float32), Tensor(np.ones((1, 4)), ms.float32)
    assert rotate(x, ones, zeros).asnumpy().tolist() == [[1, 2, 3, 4]]
    assert rotate(x, zeros, ones).asnumpy().tolist() == [[-3, -4, 1, 2]]


def test_products_depend_on_the_distance_only(rng: np.random.Generator) -> None:
    cos, sin = (Tensor(table) for table in rotary_tables(8, 20))
    q, k = (Tensor(np.tile(rng.standard_normal(8), (20, 1)), ms.float32) for _ in range(2))
    products = rotate(q, cos, sin).asnumpy() @ rotate(k, cos, sin).asnumpy().T
    for distance in (0, 1, 7):
        diagonal = np.diagonal(products, -distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-4)
    assert abs(products[0, 0] - products[1, 0]) > 1e-2


def test_rows_are_handed_out_by_length_or_by_position() -> None:
    rotary = RotaryEmbedding(8, 12, theta=500.0)
    cos, sin = rotary_tables(8, 12, theta=500.0)
    for found, table in zip(rotary(5), (cos, sin), strict=True):
        assert np.array_equal(found.asnumpy(), table[:5])
    for found, table in zip(rotary(1, Tensor([7, 0, 11], ms.int32)), (cos, sin), strict=True):
        assert found.shape == (3, 1, 1, 8)
        assert np.array_equal(found.asnumpy()[:, 0, 0], table[[7, 0, 11]])
