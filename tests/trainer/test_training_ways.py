"""What else a run can be told and can meet: micro batches, steps that are not finite, evaluation, Ctrl-C."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from mindformers.tools.errors import InputError, RunError
from mindformers.trainer.checkpoint import find_checkpoint
from mindformers.trainer.interruption import Interruption
from mindformers.trainer.monitor.history import evaluation_rows, read_rows, training_rows
from mindformers.trainer.training import Training
from tests.trainer.small_run import NUM_ROWS, log_rows, write_data
from tests.trainer.table_run import table_run

INFINITE = float("inf")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def rows_in(run: Training) -> list[dict[str, Any]]:
    return read_rows(Path(run.recipe.output_dir) / "train_log.jsonl")


def files_in(run: Training) -> set[str]:
    return {file.name for file in run.saver.folder.iterdir()}


def trained(folder: Path, data: Path, **overrides: Any) -> Training:
    run = table_run(folder, data, **overrides)
    run.run()
    return run


def weights_of(run: Training) -> list[np.ndarray]:
    return [parameter.asnumpy().copy() for parameter in run.net.get_parameters()]


ACCUMULATED = {"runner_config__batch_size": 2, "runner_config__gradient_accumulation_steps": 2}


@pytest.fixture(scope="module")
def accumulated(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Training:
    return trained(tmp_path_factory.mktemp("accumulated"), data, **ACCUMULATED)


def test_two_micro_batches_of_two_are_batches_of_four(accumulated: Training, data: Path, tmp_path: Path) -> None:
    whole = trained(tmp_path, data)
    ours, theirs = rows_in(accumulated), rows_in(whole)
    assert [row["step"] for row in ours] == [row["step"] for row in theirs] == list(range(1, 9))
    for name in ("loss", "grad_norm"):
        assert [row[name] for row in ours] == pytest.approx([row[name] for row in theirs], abs=1e-6)
    for one, other in zip(weights_of(accumulated), weights_of(whole), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_an_accumulated_run_is_resumed_bit_by_bit(accumulated: Training, data: Path, tmp_path: Path) -> None:
    run = table_run(tmp_path, data, **ACCUMULATED)
    run.resume(accumulated.saver.folder / "small_rank_0-1_3.safetensors")
    stored = load_file(accumulated.saver.folder / "small_rank_0-1_3.safetensors")
    for parameter in run.net.get_parameters():
        parameter.set_data(type(parameter)(stored[parameter.name]))
    run.run()
    wanted = [row for row in log_rows(Path(accumulated.recipe.output_dir)) if row["step"] > 3]
    assert log_rows(tmp_path / "output") == wanted
    for name in ("small_rank_0-2_4.safetensors", "small_rank_0-2_4.state.safetensors"):
        ours, theirs = load_file(run.saver.folder / name), load_file(accumulated.saver.folder / name)
        assert all(np.array_equal(ours[key], theirs[key]) for key in theirs), name


def test_the_last_step_of_an_epoch_takes_what_is_left(data: Path, tmp_path: Path) -> None:
    """18 records in batches of 4, the last with 2; three such batches a step: 12 records, then 6."""
    changes = {"train_dataset__drop_remainder": False, "runner_config__gradient_accumulation_steps": 3}
    run = table_run(tmp_path, data, **changes)
    sizes = [[len(batch["input_ids"]) for batch in batches] for batches in run.batches()]
    assert sizes == [[4, 4, 4], [4, 4]] * 2
    read = [batch["input_ids"][:, 0] for batches in list(run.batches())[:2] for batch in batches]
    assert np.count_nonzero(np.concatenate(read)) == NUM_ROWS  # every record begins with 1, what fills up with 0


def test_an_epoch_without_a_whole_step_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gradient_accumulation_steps: 5, but an epoch has 4 batches of 4"):
        table_run(tmp_path, data, runner_config__gradient_accumulation_steps=5)


class Injected:
    """The step of a run, whose gradients are not finite in some of the steps."""

    def __init__(self, run: Training, steps: set[int]) -> None:
        self.run, self.step, self.steps, self.unchanged = run, run.step, steps, []

    def compile(self, batch: Any) -> None:
        self.step.compile(batch)

    def __call__(self, batches: Any, lr: float, scale: float, *more: Any) -> Any:
        is_bad = self.run.state.done + 1 in self.steps
        before = [*weights_of(self.run), *(p.asnumpy().copy() for p in self.run.optimizer_state())]
        result = self.step(batches, lr, INFINITE if is_bad else scale, *more)
        after = [*weights_of(self.run), *(p.asnumpy() for p in self.run.optimizer_state())]
        self.unchanged.append(all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)))
        return result


def test_a_step_with_infinite_gradients_is_skipped_and_the_run_goes_on(data: Path, tmp_path: Path) -> None:
    run = table_run(tmp_path, data)
    run.step = Injected(run, {2, 5})
    run.run()
    assert run.step.unchanged == [step in (2, 5) for step in range(1, 9)]
    rows = rows_in(run)
    assert [row["step"] for row in rows if row["overflow"]] == [2, 5]
    assert [row["grad_norm"] is None for row in rows] == [row["overflow"] for row in rows]
    assert (rows[-1]["skipped"], run.state.skipped) == (2, 2)
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_too_many_such_steps_in_a_row_end_the_run_and_keep_the_last_checkpoint(data: Path, tmp_path: Path) -> None:
    run = table_run(tmp_path, data, runner_wrapper__max_skipped_steps=3)
    run.step = Injected(run, {2, 4, 5, 6})
    with pytest.raises(RunError) as caught:
        run.run()
    assert "gives up after step 6: the gradients of 3 steps in a row were not finite" in str(caught.value)
    assert files_in(run) == {"small_rank_0-1_3.safetensors", "small_rank_0-1_3.state.safetensors"}
    assert [row["skipped"] for row in rows_in(run)] == [0, 1, 1, 2, 3, 4]
    assert (tmp_path / "output" / "loss.png").is_file()


EVALUATED = {"do_eval": True, "eval_step_interval": 2, "evaluation__max_rows": 3}


def test_a_run_evaluates_on_the_way_and_keeps_the_best(data: Path, tmp_path: Path) -> None:
    run = trained(tmp_path, data, **EVALUATED, callbacks__1__keep_checkpoint_max=1)
    rows = rows_in(run)
    assert [row["step"] for row in training_rows(rows)] == list(range(1, 9))
    found = evaluation_rows(rows)
    assert [row["step"] for row in found] == [2, 4, 6, 8]
    assert all(row["eval_perplexity"] == pytest.approx(math.exp(row["eval_loss"])) for row in found)
    rows_read = run.held_out.rows
    counted = sum((batch["labels"][:, 1:] != -100).sum() for batch in rows_read.batches(0))
    assert (rows_read.num_rows, run.held_out.data.num_rows) == (3, 5)
    assert {row["eval_tokens"] for row in found} == {counted}
    best = min(found, key=lambda row: row["eval_loss"])
    assert [row for row in found if row["is_best"]][-1] == best
    last = {"small_rank_0-2_4.safetensors", "small_rank_0-2_4.state.safetensors"}
    assert files_in(run) == last | {"small_best.safetensors"}
    assert find_checkpoint(run.saver.folder).name == "small_rank_0-2_4.safetensors"
    with safe_open(run.saver.folder / "small_best.safetensors", framework="np") as file:
        told = file.metadata()
    assert (told["best_metric"], told["best_step"]) == ("loss", str(best["step"]))
    assert float(told["best_value"]) == best["eval_loss"]


def test_evaluation_changes_nothing_in_the_training(data: Path, tmp_path: Path) -> None:
    with_it, without = trained(tmp_path / "a", data, **EVALUATED), trained(tmp_path / "b", data)
    assert training_rows(log_rows(tmp_path / "a" / "output")) == log_rows(tmp_path / "b" / "output")
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(with_it), weights_of(without), strict=True))
    assert with_it.net.training == without.net.training is False


def judged(values: list[float]) -> Any:
    """An evaluation that finds the values in turn."""
    found: Iterator[float] = iter(values)

    def measure(*given: Any) -> dict[str, Any]:
        value = next(found)
        row = {"loss": value, "perplexity": math.exp(value), "accuracy": value, "tokens": 9}
        return {"total": row, "molecule": {**row, "accuracy": 1 - value}}

    return measure


def run_with(folder: Path, data: Path, values: list[float], **settings: Any) -> Training:
    changes = {f"evaluation__{name}": value for name, value in settings.items()}
    run = table_run(folder, data, do_eval=True, eval_step_interval=1, **changes)
    run.held_out.evaluation.measure = judged(values)
    run.run()
    return run


def test_training_stops_where_evaluations_get_no_better_and_saves_its_last_step(data: Path, tmp_path: Path) -> None:
    run = run_with(tmp_path, data, [0.9, 0.5, 0.6, 0.52, 0.51, 0.1], patience=3)
    assert (run.state.done, run.state.best) == (5, (0.5, 2))
    assert "small_rank_0-2_1.safetensors" in files_in(run)


def test_a_gain_below_the_least_one_does_not_count(data: Path, tmp_path: Path) -> None:
    run = run_with(tmp_path, data, [0.9, 0.85, 0.84, 0.83, 0.1], patience=3, min_delta=0.1)
    assert (run.state.done, run.state.best) == (4, (0.9, 1))


def test_the_metric_of_a_modality_may_decide(data: Path, tmp_path: Path) -> None:
    values = [0.4, 0.5, 0.2, 0.3, math.nan, 0.3, 0.3, 0.3]
    run = run_with(tmp_path, data, values, best_metric="accuracy.molecule")
    assert run.state.best == (0.8, 3)


def test_a_modality_that_is_not_evaluated_is_refused_at_the_start(data: Path, tmp_path: Path) -> None:
    changes = {"do_eval": True, "evaluation__best_metric": "loss.protein"}
    with pytest.raises(InputError, match=r"best_metric: 'loss.protein', but no protein token of eval_dataset counts"):
        table_run(tmp_path, data, **changes)


def test_evaluation_may_go_by_epochs_and_there_is_one_at_the_end(data: Path, tmp_path: Path) -> None:
    by_epochs = {"runner_config__epochs": 3, "eval_epoch_interval": 2}
    run = trained(tmp_path, data, do_eval=True, **by_epochs)
    assert [row["step"] for row in evaluation_rows(rows_in(run))] == [8, 12]


def test_a_resumed_run_remembers_best_smoothed_loss_and_scale(data: Path, tmp_path: Path) -> None:
    scale = {"type": "DynamicLossScaleUpdateCell", "loss_scale_value": 8, "scale_window": 2}
    changes = {**EVALUATED, "runner_wrapper__scale_sense": scale}
    whole = trained(tmp_path / "whole", data, **changes)
    run = table_run(tmp_path / "resumed", data, **changes)
    run.resume(whole.saver.folder / "small_rank_0-2_2.safetensors")
    assert (run.state.done, run.state.best[1], run.scale.value) == (6, 6, 64)
    assert run.state.smooth_loss == [row["smooth_loss"] for row in training_rows(rows_in(whole))][5]


def test_after_ctrl_c_the_step_is_finished_and_saved(data: Path, tmp_path: Path) -> None:
    run = table_run(tmp_path, data)
    step = run.step

    class Pressed:
        def compile(self, batch: Any) -> None:
            step.compile(batch)

        def __call__(self, *given: Any) -> Any:
            result = step(*given)
            if run.state.done == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return result

    run.step = Pressed()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert run.state.done == 4
    saved = load_file(run.saver.folder / "small_rank_0-1_4.safetensors")
    assert all(np.array_equal(saved[p.name], p.asnumpy()) for p in run.net.get_parameters())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_ctrl_c_ends_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.is_asked
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the second one was not heard")


def test_a_profiled_run_says_where_its_time_went(data: Path, tmp_path: Path) -> None:
    trained(tmp_path, data, profile=True, profile_start_step=2, profile_stop_step=5)
    found = json.loads((tmp_path / "output" / "profile.json").read_text(encoding="utf-8"))
    assert (found["first_step"], found["num_steps"], set(found["parts"])) == (2, 4, {"data", "graph", "host"})
    assert found["compile_s"] > 0
    assert sum(part["share"] for part in found["parts"].values()) == pytest.approx(1)


def test_event_files_are_written_where_a_callback_asks(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    run = table_run(tmp_path, data)
    from mindformers.config import SummaryMonitor

    run.recipe.callbacks.append(SummaryMonitor("SummaryMonitor"))
    run.run()
    (file,) = (tmp_path / "output" / "summary").iterdir()
    assert file.name.startswith("events.out.tfevents")
