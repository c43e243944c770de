"""Weights to files and back; what does not fit is refused in one line."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn
from safetensors.numpy import load_file, save_file

from mindformers.core.optimizer import AdamW
from mindformers.models.checkpoint_parts import STATE_SUFFIX
from mindformers.modules.linear import Linear
from mindformers.tools.errors import InputError
from mindformers.tools.number_types import BFLOAT16
from mindformers.tools.weight_files import SafetensorsFile
from mindformers.trainer.checkpoint import kept_metadata, load_state, load_weights, save_checkpoint, save_weights
from mindformers.trainer.checkpoint_files import (
    CheckpointName,
    checkpoints_in,
    find_checkpoint,
    name_of,
    prune,
)


class Net(nn.Cell):
    def __init__(self, widths: dict[str, int]) -> None:
        super().__init__()
        for name, width in widths.items():
            setattr(self, name, Linear(3, width))
        for number, p in enumerate(self.get_parameters()):
            p.set_data(Tensor(np.full(p.shape, number + 1.0, np.float32)))


def net(**widths: int) -> Net:
    return Net(widths or {"a": 4, "b": 5})


def values_of(one: nn.Cell) -> dict[str, np.ndarray]:
    return {p.name: p.asnumpy().copy() for p in one.get_parameters()}


def saved(path: Path, one: nn.Cell | None = None) -> Path:
    save_weights((one or net()).get_parameters(), path)
    return path


def zeroed(one: nn.Cell) -> nn.Cell:
    for p in one.get_parameters():
        p.set_data(Tensor(np.zeros(p.shape, np.float32)))
    return one


def refusal(one: nn.Cell, path: Path) -> str:
    """The message; the network is as it was."""
    before = values_of(one)
    with pytest.raises(InputError) as caught:
        load_weights(one, path)
    assert all(np.array_equal(value, before[name]) for name, value in values_of(one).items())
    assert "\n" not in caught.value.line()
    return caught.value.line()


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    path = saved(tmp_path / "deep" / "w.safetensors")
    other = zeroed(net())
    assert load_weights(other, path) == path
    assert all(np.array_equal(value, values_of(net())[name]) for name, value in values_of(other).items())
    assert [file.name for file in path.parent.iterdir()] == ["w.safetensors"]


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors", net(a=4, b=7, extra=2))
    line = refusal(net(a=4, b=5, c=1), path)
    assert "1 missing: c.weight / 1 unexpected: extra.weight" in line
    assert "1 of another shape: b.weight (7, 3) instead of (5, 3)" in line
    assert "expected the 3 weights of this model; check model.model_config" in line


def test_long_lists_are_cut(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors", net(**{f"x{i}": 1 for i in range(9)}))
    line = refusal(net(a=4), path)
    assert "9 unexpected: x0.weight, x1.weight, x2.weight, x3.weight, x4.weight and 4 more" in line
    assert "x5" not in line


@pytest.mark.parametrize(("suffix", "fault"), [(".safetensors", "is damaged: "), (".ckpt", "cannot be read (")])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, fault: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"this is no checkpoint at all" * 3)
    assert f"load_checkpoint: '{path}' {fault}" in refusal(net(), path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-20])
    assert f"is damaged: {size - 20} bytes long, {size} by its head" in refusal(net(), path)


def test_a_changed_weight_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert "is damaged: b.weight is not what was written" in refusal(net(), path)


@pytest.mark.parametrize("name", ["w.pth", "w.bin", "w.pkl", "w"])
def test_pickled_weights_are_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    assert "expected a .safetensors or MindSpore .ckpt file; pickled weights are not read" in refusal(net(), path)


def test_a_missing_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    assert "not found" in refusal(net(), tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").touch()
    assert "is empty" in refusal(net(), tmp_path / "w.safetensors")


def test_mindspores_own_files_are_read_without_what_belongs_to_training(tmp_path: Path) -> None:
    one, path = net(), tmp_path / "w.ckpt"
    entries = [{"name": p.name, "data": p} for p in one.get_parameters()]
    for name in ("moment1.a.weight", "moment2.a.weight", "adam_m.b.weight", "global_step", "epoch_num", "scale_sense"):
        entries.append({"name": name, "data": Tensor([1.0], ms.float32)})
    ms.save_checkpoint(entries, str(path))
    other = zeroed(net())
    load_weights(other, path)
    assert all(np.array_equal(value, values_of(one)[name]) for name, value in values_of(other).items())


def test_half_precision_weights_become_the_networks_type(tmp_path: Path) -> None:
    arrays = {name: value.astype(np.float16) for name, value in values_of(net()).items()}
    save_file(arrays, tmp_path / "w.safetensors")
    other = zeroed(net())
    load_weights(other, tmp_path / "w.safetensors")
    assert {p.dtype for p in other.get_parameters()} == {ms.float32}
    assert np.array_equal(other.b.weight.asnumpy(), net().b.weight.asnumpy())


def test_bfloat16_weights_go_to_a_file_and_back(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 3.0e38], np.float32)
    path = tmp_path / "w.safetensors"
    save_weights([Parameter(Tensor(values, ms.bfloat16), name="x")], path)
    assert SafetensorsFile(path).tensors["x"].dtype == BFLOAT16
    one = nn.Cell()
    one.x = Parameter(Tensor(np.zeros(3, np.float32)), name="x")
    load_weights(one, path)
    assert np.allclose(one.x.asnumpy(), values, rtol=2**-8)
    one.x = Parameter(Tensor(np.zeros(3, np.float32), ms.bfloat16), name="x")
    load_weights(one, path)
    assert one.x.dtype == ms.bfloat16 and one.x.float().asnumpy()[:2].tolist() == [1.0, -2.5]


def test_texts_of_the_head_are_carried_on_but_not_those_of_one_save(tmp_path: Path) -> None:
    one = net()
    texts = {"neuron_order": "[0]"}
    path = save_checkpoint(tmp_path, CheckpointName("m", 1, 1), one.get_parameters(), [], {}, texts)
    assert kept_metadata(path) == texts


def test_names_are_written_and_read() -> None:
    name = CheckpointName("sci_mind", 2, 40, rank=3)
    assert name.file() == "sci_mind_rank_3-2_40.safetensors"
    assert name_of(Path("x") / name.file()) == name
    assert name_of(Path("model.safetensors")) is None


def touched(folder: Path, *names: str) -> None:
    """Small checkpoints as other programs write them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        save_file({"x": np.zeros(1, np.float32)}, folder / name)


def test_a_folder_means_its_newest_checkpoint(tmp_path: Path) -> None:
    names = ["m_rank_0-1_9", "m_rank_0-2_3", "m_rank_0-2_10", "m_rank_0-1_100"]
    touched(tmp_path, *(f"{name}.safetensors" for name in names), f"m_rank_0-9_9{STATE_SUFFIX}", "model.safetensors")
    assert find_checkpoint(tmp_path).name == "m_rank_0-2_10.safetensors"


def test_the_newest_is_the_one_saved_last_also_when_a_run_begins_anew(tmp_path: Path) -> None:
    one = net()
    for step in (8, 9, 1, 2):
        save_checkpoint(tmp_path, CheckpointName("m", 1, step), one.get_parameters(), state_of(one, 0.0), {})
        assert find_checkpoint(tmp_path, for_training=True).name == f"m_rank_0-1_{step}.safetensors"
        prune(tmp_path, "m", keep=3)
    assert [name_of(file).step for file in checkpoints_in(tmp_path)] == [2, 1, 9]


def test_a_runs_folder_means_the_checkpoints_in_it(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    ms.save_checkpoint([{"name": "x", "data": Tensor([1.0])}], str(tmp_path / "checkpoint" / "m_rank_0-1_2.ckpt"))
    assert find_checkpoint(tmp_path) == tmp_path / "checkpoint" / "m_rank_0-1_2.ckpt"


def test_hugging_faces_name_is_known_and_an_empty_folder_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint in"):
        find_checkpoint(tmp_path)
    touched(tmp_path, "model.safetensors")
    assert find_checkpoint(tmp_path).name == "model.safetensors"


def test_the_oldest_go_with_their_states(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10):
        stem = f"m_rank_0-1_{number}"
        touched(tmp_path, f"{stem}.safetensors", f"{stem}{STATE_SUFFIX}")
    touched(tmp_path, "other_rank_0-1_1.safetensors", "model.safetensors")
    prune(tmp_path, "m", keep=2)
    stems = ("m_rank_0-1_9", "m_rank_0-1_10")
    kept = {f"{stem}{end}" for stem in stems for end in (".safetensors", STATE_SUFFIX)}
    assert {file.name for file in tmp_path.iterdir()} == kept | {"other_rank_0-1_1.safetensors", "model.safetensors"}


def state_of(one: nn.Cell, value: float) -> list[Parameter]:
    optimizer = AdamW(one.trainable_params())
    state = [*optimizer.first, *optimizer.second]
    for p in state:
        p.set_data(Tensor(np.full(p.shape, value, np.float32)))
    return state


def test_the_state_comes_back_with_the_progress(tmp_path: Path) -> None:
    saved(tmp_path / "w.safetensors")
    save_weights(state_of(net(), 3.0), tmp_path / f"w{STATE_SUFFIX}", {"progress": "12"})
    state = state_of(net(), 0.0)
    assert load_state(state, tmp_path / "w.safetensors")["progress"] == "12"
    assert all((p.asnumpy() == 3.0).all() for p in state)


def test_a_state_that_is_missing_or_of_other_weights_is_refused(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"resume_training: .*w\.state\.safetensors' not found"):
        load_state(state_of(net(), 0.0), checkpoint)
    save_weights(state_of(net(a=1), 3.0), tmp_path / f"w{STATE_SUFFIX}", {"progress": "12"})
    with pytest.raises(InputError, match="holds the state of other weights"):
        load_state(state_of(net(), 0.0), checkpoint)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"w{STATE_SUFFIX}").write_bytes(b"this is no state at all")
    with pytest.raises(InputError, match=r"resume_training: .* is damaged"):
        load_state(state_of(net(), 0.0), saved(tmp_path / "w.safetensors"))


def test_a_state_without_progress_is_refused(tmp_path: Path) -> None:
    save_weights(state_of(net(), 3.0), tmp_path / f"w{STATE_SUFFIX}")
    with pytest.raises(InputError, match=r"resume_training: .* says nothing of the run's progress"):
        load_state(state_of(net(), 0.0), saved(tmp_path / "w.safetensors"))


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors")
    assert load_file(path).keys() == {"a.weight", "b.weight"}
    assert b'"format":"mindspore"' in path.read_bytes()
