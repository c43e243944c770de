"""A network on its way to the devices of a run, and its arrays on their way back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer
from mindspore.communication import GlobalComm

from mindformers.parallel.cuts import Cut
from mindformers.parallel.layout import Layout, Shape, weight_of
from mindformers.parallel.mesh import Group, Mesh


def cut_weights(net: nn.Cell, patterns: Mapping[str, Cut], mesh: Mesh, is_state_sharded: bool = False) -> Layout:
    """Give a network room for its own part of every weight that the tensor group shares, and for all of the others.

    Args:
        net: with whole weights that have no values yet, and take no memory; they are zero afterwards.
        patterns: of the names of weights that are cut -> how.
        mesh: the devices.
        is_state_sharded: whether the optimizer's state will be spread over the copies.

    Returns:
        How everything is spread.
    """
    parameters = list(net.get_parameters())
    shapes = {p.name: tuple(p.shape) for p in parameters}
    cuts = {p.name: cut for p in parameters for pattern, cut in patterns.items() if re.fullmatch(pattern, p.name)}
    layout = Layout(mesh.data, mesh.tensor, is_state_sharded, cuts, shapes)
    for p in parameters:
        if p.name in cuts:
            shape = cuts[p.name].part_shape(p.shape, mesh.tensor)
            p.set_data(initializer("zeros", shape, p.dtype).init_data(), slice_shape=True)
        else:
            p.init_data()
    return layout


class Spread:
    """Arrays as they are on the devices of a run.

    Args:
        layout: how they are spread.
        mesh: the devices.
        shared: names of weights that every part of a copy has whole, with a part of their gradient.
    """

    def __init__(self, layout: Layout | None = None, mesh: Mesh | None = None, shared: Iterable[str] = ()) -> None:
        self.layout, self.mesh, self.shared = layout or Layout(), mesh or Mesh(), frozenset(shared)

    def extended(self, cuts: Mapping[str, Cut], shapes: Mapping[str, Shape], shared: Iterable[str]) -> Spread:
        """With further arrays beside those it knows; arguments as its own and its layout's."""
        layout = replace(self.layout, cuts={**self.layout.cuts, **cuts}, shapes={**self.layout.shapes, **shapes})
        return Spread(layout, self.mesh, self.shared | frozenset(shared))

    def shape(self, parameter: Parameter) -> tuple[int, ...]:
        """Of the whole array."""
        name, layout = parameter.name, self.layout
        if not layout.is_spread(name):
            return tuple(parameter.shape)
        return layout.shapes[weight_of(name)]

    def whole(self, parameter: Parameter) -> np.ndarray:
        """All of an array. Where it is spread, every device must ask for it, in the same order of arrays."""
        name, layout, mesh = parameter.name, self.layout, self.mesh
        values = parameter.asnumpy()
        if layout.is_stretched(name):
            values = layout.part_of_stretches(name, gathered(values, mesh.data_group))
        if layout.is_cut(name):
            values = layout.whole_of_parts(name, gathered(values, mesh.tensor_group))
        return values

    def own(self, name: str, whole: np.ndarray) -> np.ndarray:
        """What this device holds of a whole array."""
        return self.layout.own(name, whole, self.mesh.tensor_rank, self.mesh.data_rank)


def gathered(values: np.ndarray, group: Group) -> np.ndarray:
    """An array of every device of a group, [size, ...]."""
    if ms.get_context("device_target") != "CPU" or group.name == GlobalComm.WORLD_COMM_GROUP:
        bits = values.view(np.int16) if values.dtype.itemsize == 2 else values  # NumPy has no bfloat16
        return ops.AllGather(group=group.name)(Tensor(bits[None])).asnumpy().view(values.dtype)
    places = np.zeros((group.size, *values.shape), values.dtype)
    places[group.place] = values
    return ops.AllReduce(group=group.name)(Tensor(places)).asnumpy()
