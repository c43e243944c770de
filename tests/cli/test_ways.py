"""The ways of a user through one workplace: train, evaluate, predict."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from mindformers import Trainer
from tests.cli.conftest import MOLECULES, NUM_EPOCHS, QUESTION, Outcome, Workplace, qa_rows

Run = Callable[..., Outcome]


@pytest.fixture
def questions(workplace: Workplace) -> Path:
    path = workplace.folder / "questions.json"
    path.write_text(json.dumps(qa_rows()), encoding="utf-8")
    return path


def table(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def test_training_leaves_log_picture_recipe_and_a_checkpoint_with_its_tokenizer(trained: Workplace) -> None:
    rows = [json.loads(line) for line in (trained.output / "train_log.jsonl").read_text("utf-8").splitlines()]
    assert [row["step"] for row in rows] == list(range(1, NUM_EPOCHS + 1))
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    names = {path.relative_to(trained.output).as_posix() for path in trained.output.rglob("*") if path.is_file()}
    stem = f"checkpoint/mini_rank_0-{NUM_EPOCHS}_1"
    assert names == {
        "train_log.jsonl",
        "loss.png",
        "config.yaml",
        "checkpoint/config.yaml",
        "checkpoint/tokenizer.model",
        f"{stem}.safetensors",
        f"{stem}.state.safetensors",
        "log/rank_0/info.log",
        "log/rank_0/error.log",
    }


def test_evaluation_says_loss_perplexity_and_accuracy(workplace: Workplace, run: Run) -> None:
    assert run("--run_mode", "eval").status == 0
    found = json.loads((workplace.output / "eval.json").read_text(encoding="utf-8"))
    total = found["total"]
    assert set(found) == {"total", "text"}  # the labels of the molecules are hidden: they stand in the questions
    assert total["tokens"] == found["text"]["tokens"] > len(MOLECULES)
    assert total["perplexity"] == pytest.approx(math.exp(total["loss"]))
    assert total["loss"] < 1.5
    assert total["accuracy"] > 0.5


def test_a_text_is_answered_on_the_screen(run: Run) -> None:
    found = run("--run_mode", "predict", "--predict_data", QUESTION.format("CCO"), QUESTION.format("O"))
    assert (found.status, len(found.out.splitlines())) == (0, 2)
    assert found.out.strip()


def test_answers_to_a_file_stand_beside_what_came_with_the_prompt(
    workplace: Workplace, questions: Path, run: Run
) -> None:
    out = workplace.folder / "new" / "answers.tsv"
    assert run("--run_mode", "predict", "--predict_data", questions, "--save_file", out).status == 0
    header, *rows = table(out)
    assert header == ["id", "ground truth", "output"]
    assert [row[:2] for row in rows] == [[f"m{i}", name] for i, name in enumerate(MOLECULES.values())]
    assert sum(row[1] == row[2] for row in rows) >= 4  # it has learnt them by heart


@pytest.mark.parametrize("more", [[], ["--do_sample", "True", "--temperature", "2.0"]], ids=["greedy", "sampled"])
def test_answers_do_not_depend_on_the_batch(workplace: Workplace, questions: Path, run: Run, more: list[str]) -> None:
    found = []
    for size in (1, 4):
        out = workplace.folder / f"answers{size}.txt"
        words = ("--run_mode", "predict", "--predict_data", questions, "--save_file", out, "--predict_batch_size", size)
        assert run(*words, *more).status == 0
        found.append(out.read_text(encoding="utf-8"))
    assert found[0] == found[1]
    assert len(found[0].splitlines()) == len(MOLECULES)


def test_an_interrupted_file_is_continued(workplace: Workplace, questions: Path, run: Run) -> None:
    out = workplace.folder / "answers.tsv"
    words = ("--run_mode", "predict", "--predict_data", questions, "--save_file", out, "--predict_batch_size", 2)
    assert run(*words).status == 0
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:4]) + lines[4][:5])
    assert run(*words, "--resume", "True").status == 0
    assert out.read_bytes() == whole
    assert run(*words, "--resume", "True").status == 0  # nothing is left to do
    assert out.read_bytes() == whole


def test_a_table_of_molecules_and_ready_prompts_are_read(workplace: Workplace, run: Run) -> None:
    molecules = workplace.folder / "molecules.tsv"
    molecules.write_text("SMILES\tsource\nCCO\tbook\nCC\tpaper\n", encoding="utf-8")
    out = workplace.folder / "answers.tsv"
    assert run("--run_mode", "predict", "--predict_data", molecules, "--save_file", out).status == 0
    assert [row[:2] for row in table(out)] == [["SMILES", "source"], ["CCO", "book"], ["CC", "paper"]]
    assert table(out)[0][2] == "output"
    prompts = workplace.folder / "prompts.txt"
    prompts.write_text("USER: hello ASSISTANT:\nUSER: <molecule>CC</molecule> ASSISTANT:\n", encoding="utf-8")
    found = run("--run_mode", "predict", "--predict_data", prompts, "--max_new_tokens", 3)
    assert (found.status, len(found.out.splitlines())) == (0, 2)


def test_prediction_without_a_cache_says_the_same(workplace: Workplace, run: Run) -> None:
    words = ("--run_mode", "predict", "--predict_data", QUESTION.format("CCN"))
    assert run(*words).out == run(*words, "--model.model_config.use_past", "False").out


def test_a_checkpoints_folder_is_complete_in_itself(trained: Workplace, workplace: Workplace, run: Run) -> None:
    """Its recipe and its tokenizer are enough; the ones that trained it may be gone."""
    folder = trained.output / "checkpoint"
    words = ("--config", folder / "config.yaml", "--load_checkpoint", folder, "--run_mode", "predict")
    more = ("--output_dir", workplace.output, "--processor.tokenizer.vocab_file", "null")
    found = run(*words, *more, "--predict_data", QUESTION.format("CCO"))
    assert (found.status, found.out) == (0, run("--run_mode", "predict", "--predict_data", QUESTION.format("CCO")).out)


def test_flags_and_overrides_reach_the_run(workplace: Workplace, run: Run) -> None:
    words = ["--load_checkpoint", "", "--epochs", 2, "--batch_size", 3, "--seed", 9, "--num_samples", 4]
    assert run(*words, "--callbacks.1.prefix", "other", "--options", "lr_schedule.learning_rate=0.5").status == 0
    rows = [json.loads(line) for line in (workplace.output / "train_log.jsonl").read_text("utf-8").splitlines()]
    assert [row["step"] for row in rows] == [1, 2]  # 4 records, batches of 3, the rest dropped
    assert max(row["lr"] for row in rows) <= 0.5
    assert rows[0]["lr"] == pytest.approx(0.5 / 3)
    assert (workplace.output / "checkpoint" / "other_rank_0-2_1.safetensors").is_file()


def test_a_benchmark_becomes_answers_with_probabilities_and_a_table(workplace: Workplace, run: Run) -> None:
    asked = {"question": "Is it sweet? CCO.\nSweet:", "task_name": "bace"}
    rows = [asked | {"answer": "Yes"}, asked | {"question": "Is it sweet? CC.", "answer": "No"}]
    rows += [{"question": "Formula of CCO?", "answer": "C2H6O", "task_name": "formula"}]
    path, out = workplace.folder / "items.jsonl", workplace.folder / "answers.tsv"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ("--run_mode", "predict", "--predict_data", path, "--save_file", out, "--predict_batch_size", 2)
    assert run(*words).status == 0
    header, *lines = table(out)
    assert header == ["task", "input", "shots", "ground truth", "P(Yes)", "output"]
    shares = [line[4] for line in lines]
    assert all(0 < float(share) < 1 for share in shares[:2]) and shares[0] != shares[1] and shares[2] == ""
    whole = out.read_bytes()
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert run(*words, "--resume", "True").status == 0
    assert out.read_bytes() == whole
    found = run(*words, "--resume", "True", "--score_as", "chemllmbench")
    assert found.status == 0 and "bace: AUC from P(Yes)" in found.out
    wins = float(shares[0]) > float(shares[1])
    report = json.loads(out.with_suffix(".metrics.json").read_text(encoding="utf-8"))
    assert report["metrics"]["bace: AUC from P(Yes)"] == float(wins)


def test_training_evaluates_at_its_end_where_asked(workplace: Workplace, run: Run) -> None:
    assert run("--epochs", 1, "--do_eval", "True").status == 0
    assert json.loads((workplace.output / "eval.json").read_text(encoding="utf-8"))["total"]["tokens"] > 0


def test_the_same_from_python(workplace: Workplace, run: Run) -> None:
    question = QUESTION.format("CCO")
    trainer = Trainer(workplace.recipe, {"model.model_config.max_decode_length": 5})
    (answer,) = trainer.predict(question)
    assert run("--run_mode", "predict", "--predict_data", question, "--max_new_tokens", 5).out == f"{answer}\n"
    assert trainer.predict([question], max_new_tokens=1)[0] != answer
    assert trainer.evaluate()["total"]["loss"] < 1.5
