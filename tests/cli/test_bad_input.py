"""What a user can get wrong: status 2, one clear line, and nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mindformers import LlamaTokenizer
from mindformers.dataset.mindrecord_writer import write_records
from tests.cli.conftest import SEQ_LENGTH, Outcome, Workplace
from tests.trainer.small_run import rows_of

Run = Callable[..., Outcome]
ANSWERS = "answers.tsv"


@pytest.fixture
def refused(workplace: Workplace, run: Run) -> Callable[..., str]:
    """Run, and give back the one line of the refusal."""

    def command(*words: object) -> str:
        before = files_in(workplace.folder)
        found = run(*words)
        assert (found.status, found.out) == (2, "")
        assert found.err.startswith("error: ")
        assert found.err.count("\n") == 1
        assert files_in(workplace.folder) == before
        return found.err

    return command


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file with its content; the run's own log does not count."""
    files = (path for path in folder.rglob("*") if path.is_file() and "log" not in path.relative_to(folder).parts)
    return {str(path): path.read_bytes() for path in files}


def written(workplace: Workplace, name: str, text: str) -> Path:
    path = workplace.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_no_recipe(refused: Callable[..., str], workplace: Workplace) -> None:
    assert refused("--config", "nowhere.yaml") == (
        "error: recipe: 'nowhere.yaml' not found; expected an existing file; check the path\n"
    )
    assert "is empty" in refused("--config", written(workplace, "empty.yaml", ""))


def test_a_recipe_that_is_no_yaml(refused: Callable[..., str], workplace: Workplace) -> None:
    assert "broken.yaml" in refused("--config", written(workplace, "broken.yaml", "model: {a: [1, 2\nrun_mode: x\n"))


def test_answers_that_could_not_be_scored(refused: Callable[..., str], workplace: Workplace) -> None:
    words = ("--run_mode", "predict", "--predict_data", "What is it?")
    assert "'poetry'" in refused(*words, "--score_as", "poetry")
    assert "--save_file F.tsv" in refused(*words, "--score_as", "caption")
    assert "--score_as" in refused(*words, "--text_tokenizer", "vocab.txt")
    table = ("--score_as", "caption", "--save_file", workplace.folder / ANSWERS)
    assert "vocab.txt" in refused(*words, *table, "--text_tokenizer", workplace.folder / "vocab.txt")


def test_examples_that_cannot_be_shown(refused: Callable[..., str], workplace: Workplace) -> None:
    words = ("--run_mode", "predict", "--predict_data", "What is it?")
    assert "--num_shots" in refused(*words, "--num_shots", "-1")
    assert "--num_shots" in refused(*words, "--shots_data", "x.jsonl")
    assert "x.jsonl" in refused(*words, "--num_shots", "2", "--shots_data", "x.jsonl")


def test_an_unknown_key(refused: Callable[..., str], workplace: Workplace) -> None:
    runner = {"epochs": 1, "batchsize": 2}
    line = refused("--config", workplace.changed(runner_config=runner))
    assert "runner_config.batchsize: unknown key; did you mean 'runner_config.batch_size'?" in line
    model = yaml.safe_load(workplace.recipe.read_text(encoding="utf-8"))["model"]
    model["model_config"]["num_layer"] = 3
    line = refused("--config", workplace.changed(model=model))
    assert "model.model_config.num_layer: unknown key; did you mean" in line
    assert "num_layers" in line.split("did you mean")[1]


def test_a_value_that_does_not_fit(refused: Callable[..., str]) -> None:
    assert "runner_config.epochs: got 0; expected 1 or more" in refused("--epochs", 0)
    assert "--epochs" in refused("--epochs", "many")
    assert "experts.num_experts: 7; expected a divisor" in refused("--model.model_config.experts.num_experts", 7)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--run_mode", "trian"], "did you mean 'train'"),
        (["--run_mode", "plan", "--device_num", "0"], "--device_num: got 0"),
        (["--run_mode", "plan", "--device_memory", "much"], "--device_memory: got 'much'; expected a size such as"),
        (["--run_mode", "plan", "--use_parallel", "True", "--parallel_config.model_parallel", "3"], "num_heads 2"),
        (["--epoch", "3"], "--epoch: unknown flag; did you mean '--epochs'"),
        (["--run_mode", "predict", "--predict_data", "x", "--constrain", "smile"], "did you mean 'smiles'"),
        (["--run_mode", "predict", "--predict_data", "x", "--adapter", "a"], "--adapter: 'a' not found"),
        (["--run_mode", "predict", "--predict_data", "x", "--temperature", "0"], "temperature: 0"),
        (["--run_mode", "predict", "--predict_data", "x", "--temperature", "-1"], "temperature: -1"),
        (["--run_mode", "predict", "--predict_data", "x", "--top_p", "1.5"], "top_p: 1.5"),
        (["--run_mode", "predict", "--predict_data", "x", "--top_p", "0"], "top_p: 0"),
        (["--run_mode", "predict", "--predict_data", "x", "--top_k", "-1"], "top_k: -1"),
        (["--run_mode", "predict", "--predict_data", "x", "--num_beams", "0"], "num_beams: 0"),
        (["--run_mode", "predict", "--predict_data", "x", "--num_return_sequences", "0"], "num_return_sequences: 0"),
        (["--run_mode", "predict", "--predict_data", "x", "--num_return_sequences", "2"], "do_sample True"),
        (["--run_mode", "predict", "--predict_data", "x", "--repetition_penalty", "0"], "repetition_penalty: 0"),
        (["--run_mode", "predict", "--predict_data", "x", "--length_penalty", "long"], "--length_penalty"),
        (["--run_mode", "predict", "--predict_data", "x", "--max_new_tokens", "0"], "max_new_tokens: 0"),
        (["--run_mode", "predict", "--predict_data", "x", "--max_new_tokens", "160"], "at most 159 (seq_length - 1)"),
        (["--run_mode", "predict", "--predict_data", "x", "--min_new_tokens", "13"], "min_new_tokens: 13"),
        (["--run_mode", "predict", "--predict_data", "x", "--stop", ""], "stop"),
        (["--run_mode", "chat", "--num_beams", "-2"], "num_beams: -2"),
        (["--run_mode", "predict", "--predict_data", "x", "--predict_batch_size", "0"], "--predict_batch_size: 0"),
        (["--run_mode", "predict", "--predict_data", "x", "--predict_batch_size=-1"], "--predict_batch_size: -1"),
        (["--run_mode", "predict"], "--predict_data: not given"),
        (["--run_mode", "eval", "--load_checkpoint", ""], "load_checkpoint: not given"),
        (["--device_target", "Ascend"], "context.device_target: 'Ascend' cannot be used here"),
    ],
)
def test_flags_that_cannot_be_followed(refused: Callable[..., str], words: list[str], expected: str) -> None:
    assert expected in refused(*words)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_data_that_is_not_there(refused: Callable[..., str], workplace: Workplace, mode: str) -> None:
    flag = f"--{mode}_dataset_dir"
    assert "'nowhere.mindrecord' not found" in refused("--run_mode", mode, flag, "nowhere.mindrecord")
    (workplace.folder / "folder").mkdir()
    assert "no *.mindrecord in folder" in refused("--run_mode", mode, flag, workplace.folder / "folder")
    assert f"pass {flag} PATH" in refused("--run_mode", mode, flag, "")


def test_data_that_is_no_mindrecord(refused: Callable[..., str], workplace: Workplace) -> None:
    path = written(workplace, "x.mindrecord", "no record")
    assert "index of the MindRecord" in refused("--train_dataset_dir", path)
    written(workplace, "x.mindrecord.db", "no index")
    assert "cannot be read" in refused("--train_dataset_dir", path)


def test_records_of_another_length(refused: Callable[..., str], workplace: Workplace) -> None:
    write_records(workplace.folder / "short.mindrecord", rows_of(6, length=20))
    line = refused("--train_dataset_dir", workplace.folder / "short.mindrecord")
    assert f"records of 20 tokens; expected {SEQ_LENGTH + 1}, one more than seq_length; set seq_length to 19" in line


def test_fewer_records_than_a_batch(refused: Callable[..., str]) -> None:
    assert "6 records; expected 7 or more; lower the batch size" in refused("--batch_size", 7)


def test_a_checkpoint_that_is_not_there(refused: Callable[..., str]) -> None:
    for mode in (["eval"], ["finetune"], ["predict", "--predict_data", "x"]):
        line = refused("--run_mode", *mode, "--load_checkpoint", "nowhere.safetensors")
        assert "load_checkpoint: 'nowhere.safetensors' not found" in line


def test_a_checkpoint_of_another_network(refused: Callable[..., str]) -> None:
    line = refused("--run_mode", "predict", "--predict_data", "x", "--model.model_config.num_layers", 2)
    assert "does not fit the network: 9 missing: model.layers.1." in line
    assert "and 4 more" in line
    line = refused("--run_mode", "eval", "--model.model_config.intermediate_size", 48)
    assert "3 of another shape: model.layers.0.feed_forward.w1.weight (64, 32) instead of (48, 32)" in line


def test_a_checkpoint_that_was_cut(refused: Callable[..., str], trained: Workplace, workplace: Workplace) -> None:
    (path,) = (trained.output / "checkpoint").glob("*_1.safetensors")
    (workplace.folder / "cut.safetensors").write_bytes(path.read_bytes()[:5000])
    line = refused("--run_mode", "eval", "--load_checkpoint", "cut.safetensors")
    assert "load_checkpoint: 'cut.safetensors' is damaged" in line


def test_a_run_that_cannot_be_resumed(refused: Callable[..., str], trained: Workplace, workplace: Workplace) -> None:
    (path,) = (trained.output / "checkpoint").glob("*_1.safetensors")
    shutil.copyfile(path, workplace.folder / "alone.safetensors")
    line = refused("--resume_training", "True", "--load_checkpoint", "alone.safetensors")
    assert "resume_training: 'alone.state.safetensors' not found" in line
    assert "6 examples per step" in refused("--resume_training", "True", "--batch_size", 3)


def predict(refused: Callable[..., str], *words: object) -> str:
    return refused("--run_mode", "predict", "--save_file", ANSWERS, *words)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("p.json", '[{"conversation": [', "p.json"),
        ("p.json", "[]", "no prompt in it"),
        ("p.json", '[{"id": 1}]', "p.json' line 1: item 0"),
        ("p.jsonl", '{"conversation": [{"from": "human", "value": "x"}]}\n{"conv', "p.jsonl' line 2"),
        ("p.txt", "", "is empty"),
        ("p.txt", "\n\n", "no prompt in it"),
        ("p.txt", "one\n\ntwo\n", "line 2: empty line; expected one prompt a line"),
        ("p.tsv", "SMILES\toutput\n", "no prompt in it"),
        ("p.tsv", "molecule\nCCO\n", "expected a column SMILES or description"),
        ("p.tsv", "SMILES\tname\nCCO\n", "line 2: 1 columns; expected 2"),
        ("p.txt", "fine\n<molecule>C€</molecule>\n", "line 2"),
        ("p.xml", "<a/>", "suffix '.xml'; expected one of"),
    ],
)
def test_prompts_that_cannot_be_read(
    refused: Callable[..., str], workplace: Workplace, name: str, text: str, expected: str
) -> None:
    assert expected in predict(refused, "--predict_data", written(workplace, name, text))


def test_prompts_that_are_not_there(refused: Callable[..., str]) -> None:
    assert "'nowhere.json' not found" in predict(refused, "--predict_data", "nowhere.json")


def test_a_prompt_that_is_longer_than_the_model(
    refused: Callable[..., str], workplace: Workplace, tokenizer: LlamaTokenizer
) -> None:
    long = f"<molecule>{'C' * SEQ_LENGTH}</molecule>"
    count = len(tokenizer.encode(long))
    line = predict(refused, "--predict_data", written(workplace, "p.txt", f"short\n{long}\n"))
    expected = f"at most {SEQ_LENGTH - 1} (seq_length - 1); shorten the prompt"
    assert f"p.txt line 2: {count} tokens; expected {expected}" in line


def test_answers_that_cannot_be_written(refused: Callable[..., str], workplace: Workplace) -> None:
    written(workplace, ANSWERS, "something\telse\n")
    assert "choose another file" in predict(refused, "--predict_data", "x")
    written(workplace, ANSWERS, "output\ncut")
    assert "its last line is cut off" in predict(refused, "--predict_data", "x")


def test_a_tokenizer_that_is_not_there_or_none(refused: Callable[..., str], workplace: Workplace) -> None:
    key = "--processor.tokenizer.vocab_file"
    assert "'nowhere.model' not found" in refused(key, "nowhere.model")
    assert "none.model" in refused(key, written(workplace, "none.model", "this is no tokenizer"))
