"""The step called directly: the bits of the graph's call, also of some columns only, and of weights loaded anew."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindformers.kernels.direct import DirectDecode, direct_decode
from mindformers.models.llama.decode_weights import decode_weights
from mindformers.models.llama.llama import LlamaForCausalLM
from tests.kernels.test_decode import LENGTH, ROUTED, make_inputs, net_of, new_caches, run, tensors_of
from tests.models.tiny import tiny_net

pytestmark = pytest.mark.usefixtures("library")
COLUMNS = [2, 40, 41, 42, 43, 44, 45, 7, 127]


def direct(net: LlamaForCausalLM, caches: ms.nn.CellList) -> DirectDecode:
    return direct_decode(decode_weights(net), [(layer.keys, layer.values) for layer in caches])


@pytest.mark.parametrize("variant", ROUTED)
@pytest.mark.parametrize("batch", [1, 9])
def test_bits_are_those_of_the_graph(variant: str, batch: int) -> None:
    net = net_of(variant)
    ids, positions, values = make_inputs(net, batch)
    positions[-1] = -1 if batch > 1 else positions[-1]
    wanted, wanted_caches = run(net, ids, positions, values)
    for columns in (None, COLUMNS, COLUMNS[:1]):
        caches = new_caches(net, values)
        got = direct(net, caches)(ids, positions, None if columns is None else np.asarray(columns, np.int32))
        assert got.tobytes() == (wanted if columns is None else wanted[:, columns]).tobytes()
        for cache, other in zip(tensors_of(caches), wanted_caches, strict=True):
            assert cache.asnumpy().tobytes() == other.tobytes()


def test_weights_that_are_loaded_anew_are_used() -> None:
    net, other = tiny_net(experts=None), tiny_net(seed=3, experts=None)
    ids, positions, values = make_inputs(net, 2)
    step = direct(net, new_caches(net, values))
    before = step(ids, positions)
    for parameter, source in zip(net.get_parameters(), other.get_parameters(), strict=True):
        parameter.set_data(Tensor(source.asnumpy().copy()))
    after = step(ids, positions)
    assert not np.allclose(before, after)
    assert after.tobytes() == run(other, ids, positions, values)[0].tobytes()


def test_wrong_inputs_are_refused_before_the_library_runs() -> None:
    net = net_of("plain")
    ids, positions, values = make_inputs(net, 3)
    step = direct(net, new_caches(net, values))
    for wrong in (ids[:2], ids.astype(np.int64), ids.reshape(3, 1), np.zeros(6, np.int32)[::2]):
        with pytest.raises(ValueError, match="ids"):
            step(wrong, positions)
    for columns in (np.asarray(COLUMNS), np.zeros(0, np.int32), np.zeros((2, 2), np.int32)):
        with pytest.raises(ValueError, match="columns"):
            step(ids, positions, columns)


@pytest.mark.parametrize(("what", "value"), [("ids", -1), ("positions", LENGTH), ("columns", 128)])
def test_values_outside_the_model_are_refused(what: str, value: int) -> None:
    net = net_of("plain")
    ids, positions, values = make_inputs(net, 3)
    columns = np.asarray(COLUMNS, np.int32)
    {"ids": ids, "positions": positions, "columns": columns}[what][1] = value
    with pytest.raises(RuntimeError):
        direct(net, new_caches(net, values))(ids, positions, columns)


def test_there_is_no_direct_step_where_there_is_no_native_one() -> None:
    assert direct_decode(None, []) is None
