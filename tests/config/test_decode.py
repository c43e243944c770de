"""Typed decoding of plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest

from mindformers.config import decode, inert, warn_inert
from mindformers.config.schema.running import RunnerWrapper, ScaleSense
from mindformers.tools.errors import InputError


@dataclass
class Inner:
    size: int = 1
    weights: list[float] = field(default_factory=list)
    old: bool = inert(False, instead="inner.size")


@dataclass
class Outer:
    name: str
    flag: bool = False
    rate: float = 0.1
    limit: int | None = None
    either: bool | int = False
    color: Literal["red", "blue"] = "red"
    level: Literal[0, 1] = 0
    pair: tuple[int, float] = (1, 1.0)
    many: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    free: Any = None
    plain: dict = field(default_factory=dict)
    files: str | list[str] | None = None
    number_or_list: int | list[int] = 0
    inner: Inner = field(default_factory=Inner)
    inners: list[Inner] = field(default_factory=list)
    words: Literal["a"] | list[str] | bool = "a"
    mixed: dict[str, int] | tuple[int, ...] | Any = None
    derived: int = field(default=3, init=False)


@dataclass
class Shape:
    type: str
    variants: ClassVar[dict[str, type]] = {}


@dataclass
class Circle(Shape):
    radius: float = 1.0


Shape.variants = {"Circle": Circle}


def outer(**values: Any) -> Outer:
    return decode(Outer, {"name": "n", **values}, "top")


def test_defaults_remain_where_nothing_is_given() -> None:
    assert outer() == Outer(name="n")


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("flag", "False", False),
        ("flag", "true", True),
        ("rate", "1e-5", 1e-5),
        ("rate", 2, 2.0),
        ("limit", "8", 8),
        ("limit", 1e3, 1000),
        ("limit", "1e3", 1000),
        ("limit", None, None),
        ("limit", "None", None),
        ("either", True, True),
        ("either", 3, 3),
        ("either", "False", False),
        ("either", "4", 4),
        ("color", "blue", "blue"),
        ("level", "1", 1),
        ("pair", [2, "3"], (2, 3.0)),
        ("many", ["a", "b"], ("a", "b")),
        ("counts", {"a": "1"}, {"a": 1}),
        ("plain", {"a": 1}, {"a": 1}),
        ("files", "a", "a"),
        ("files", ["a", "b"], ["a", "b"]),
        ("number_or_list", "5", 5),
        ("number_or_list", ["5"], [5]),
        ("name", 7, "7"),
        ("inner", {"size": 2, "weights": [1, "2e-1"]}, Inner(2, [1.0, 0.2])),
        ("inner", None, Inner()),
        ("inners", [{"size": 2}, {}], [Inner(2), Inner()]),
        ("rate", None, 0.1),
        ("words", "a", "a"),
        ("words", ["b"], ["b"]),
        ("mixed", {"x": "1"}, {"x": 1}),
        ("mixed", "free", "free"),
    ],
)
def test_values_become_the_type_of_their_field(key: str, given: object, expected: object) -> None:
    found = getattr(outer(**{key: given}), key)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("key", "given", "place", "expected"),
    [
        ("flag", "no", "top.flag", "True or False"),
        ("flag", 1, "top.flag", "True or False"),
        ("rate", "fast", "top.rate", "a number"),
        ("rate", True, "top.rate", "a number"),
        ("rate", "nan", "top.rate", "a number"),
        ("rate", 10**400, "top.rate", "a number"),
        ("limit", 1.5, "top.limit", "a whole number"),
        ("limit", [1], "top.limit", "a whole number"),
        ("either", "maybe", "top.either", "True or False or a whole number"),
        ("number_or_list", "x", "top.number_or_list", "a whole number or a list"),
        ("words", "b", "top.words", "one of a or a list or True or False"),
        ("color", "blu", "top.color", "did you mean 'blue'?"),
        ("level", True, "top.level", "one of 0, 1"),
        ("pair", [1], "top.pair", "a list of 2"),
        ("pair", 1, "top.pair", "a list"),
        ("many", "a", "top.many", "a list"),
        ("counts", [1], "top.counts", "a mapping"),
        ("counts", {"a": "x"}, "top.counts.a", "a whole number"),
        ("name", 1.5, "top.name", "quotes"),
        ("inner", 3, "top.inner", "a mapping"),
        ("inners", [{}, {"size": "x"}], "top.inners.1.size", "a whole number"),
    ],
)
def test_wrong_types_name_the_dotted_key(key: str, given: object, place: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        outer(**{key: given})
    assert caught.value.what == place
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(InputError) as caught:
        outer(rate="x" * 500)
    assert len(str(caught.value)) < 150


def test_unknown_key_suggests_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"top\.inner\.siz: unknown key; did you mean 'top\.inner\.size'"):
        outer(inner={"siz": 1})


def test_unknown_key_suggests_the_section_that_has_it() -> None:
    with pytest.raises(InputError, match=r"top\.weights: unknown key; did you mean 'top\.inner\.weights'"):
        outer(weights=[1])


def test_unknown_key_without_a_near_one_lists_all() -> None:
    with pytest.raises(InputError, match="expected one of old, size, weights"):
        outer(inner={"zzzzzz": 1})


def test_a_field_that_is_computed_is_no_key() -> None:
    with pytest.raises(InputError, match=r"top\.derived: unknown key"):
        outer(derived=1)


def test_missing_key_is_named() -> None:
    with pytest.raises(InputError, match=r"top\.name: is missing; expected text"):
        decode(Outer, {}, "top")
    with pytest.raises(InputError, match=r"top\.name"):
        decode(Outer, {"name": None}, "top")


def test_free_values_are_copied() -> None:
    shared = {"a": [1, {"b": 2}]}
    found = outer(free=shared)
    found.free["a"][1]["b"] = 9
    assert shared == {"a": [1, {"b": 2}]}


def test_type_chooses_the_class() -> None:
    assert decode(Shape, {"type": "Circle", "radius": 2}) == Circle("Circle", 2.0)
    with pytest.raises(InputError, match=r"s\.type: unknown name 'Circl'.*did you mean 'Circle'"):
        decode(Shape, {"type": "Circl"}, "s")
    with pytest.raises(InputError, match=r"s\.type: unknown name '\[1\]'"):
        decode(Shape, {"type": [1]}, "s")
    with pytest.raises(InputError, match=r"s\.type: is missing; expected one of Circle"):
        decode(Shape, {}, "s")


def test_loss_scale_is_a_number_or_a_block() -> None:
    assert decode(RunnerWrapper, {"scale_sense": "1024"}).loss_scale == ScaleSense("FixedLossScaleUpdateCell", 1024.0)
    block = decode(RunnerWrapper, {"scale_sense": {"loss_scale_value": 8192}}).loss_scale
    assert (block.type, block.loss_scale_value) == ("DynamicLossScaleUpdateCell", 8192.0)
    with pytest.raises(InputError, match=r"scale_sense\.loss_scale: unknown key.*loss_scale_value"):
        decode(RunnerWrapper, {"scale_sense": {"loss_scale": 1}})


def test_inert_keys_are_named_once_with_what_to_use(log: list[tuple[str, str]]) -> None:
    outer(inner={"old": "True"}, inners=[{"old": False}])
    outer(inner={"old": True})
    assert log == [
        ("WARNING", "'top.inner.old' has no effect here; use 'inner.size'"),
        ("WARNING", "'top.inners.0.old' has no effect here; use 'inner.size'"),
    ]


def test_inert_keys_are_still_checked() -> None:
    with pytest.raises(InputError, match=r"top\.inner\.old"):
        outer(inner={"old": "maybe"})


def test_warn_inert_gives_the_reason(log: list[tuple[str, str]]) -> None:
    warn_inert("parallel_config.data_parallel", reason="on one device")
    assert log == [("WARNING", "'parallel_config.data_parallel' has no effect on one device")]


def test_inert_lists_are_not_shared() -> None:
    @dataclass
    class Holder:
        items: list[int] = inert([])  # noqa: RUF009

    Holder().items.append(1)
    assert Holder().items == []
