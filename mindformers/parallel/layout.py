"""What of a network and its optimizer each device holds. No device is needed here, as files are read by it too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from mindformers.parallel.cuts import Cut

STATE = re.compile(r"^adam_[mv]\.(?P<weight>.+)$")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How arrays are spread; those it does not name are whole on every device.

    Args:
        data, tensor: copies of the model, and parts of a copy.
        is_state_sharded: whether every copy has a stretch of the optimizer's state alone.
        cuts: name of a weight -> how the parts cut it.
        shapes: name of a weight -> its shape before it was cut; of all weights.
    """

    data: int = 1
    tensor: int = 1
    is_state_sharded: bool = False
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)

    def is_cut(self, name: str) -> bool:
        """Whether a weight, or what the optimizer knows of it, differs between the parts of a copy."""
        return weight_of(name) in self.cuts

    def is_stretched(self, name: str) -> bool:
        """Whether an array differs between the copies."""
        return self.is_state_sharded and STATE.match(name) is not None

    def is_spread(self, name: str) -> bool:
        """Whether no device has all of an array."""
        return self.is_cut(name) or self.is_stretched(name)

    def is_written_by(self, name: str, copy: int, part: int) -> bool:
        """Whether, of those that hold the same of an array, this device is the first."""
        return (copy == 0 or self.is_stretched(name)) and (part == 0 or self.is_cut(name))

    def part_shape(self, name: str) -> Shape:
        """The shape of a part, before its numbers are stretched over the copies."""
        cut, shape = self.cuts.get(weight_of(name)), self.shapes[weight_of(name)]
        return shape if cut is None else cut.part_shape(shape, self.tensor)

    def part_of_stretches(self, name: str, stretches: Sequence[np.ndarray]) -> np.ndarray:
        """A part from the stretches of all copies."""
        shape = self.part_shape(name)
        return np.concatenate(stretches).reshape(-1)[: prod(shape)].reshape(shape)

    def stretch_of_part(self, values: np.ndarray, copy: int) -> np.ndarray:
        """The stretch of one copy."""
        return Cut(0).part(values.reshape(-1), copy, self.data)

    def whole_of_parts(self, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
        """All of an array from the parts of a copy."""
        cut = self.cuts[weight_of(name)]
        return cut.whole(parts, self.shapes[weight_of(name)][cut.axis])

    def own(self, name: str, whole: np.ndarray, part: int, copy: int) -> np.ndarray:
        """What one device holds of an array."""
        values = self.cuts[weight_of(name)].part(whole, part, self.tensor) if self.is_cut(name) else whole
        return self.stretch_of_part(values, copy) if self.is_stretched(name) else values

    def to_text(self) -> str:
        """JSON, for the head of a file."""
        cuts = {name: [cut.axis, cut.groups] for name, cut in self.cuts.items()}
        return json.dumps({**vars(self), "cuts": cuts, "shapes": dict(self.shapes)})

    @classmethod
    def from_text(cls, text: str) -> Layout:
        """What `to_text` wrote."""
        found = json.loads(text)
        cuts = {name: Cut(*numbers) for name, numbers in found.pop("cuts").items()}
        shapes = {name: tuple(shape) for name, shape in found.pop("shapes").items()}
        return cls(**found, cuts=cuts, shapes=shapes)


def weight_of(name: str) -> str:
    """The weight that an array belongs to: of `adam_m.x` it is `x`."""
    found = STATE.match(name)
    return found["weight"] if found else name
