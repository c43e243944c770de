"""What a run does before it works: options, data, checkpoints, batches."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindformers.config import Recipe
from mindformers.config.flags import FLAGS
from mindformers.dataset.mindrecord_writer import write_records
from mindformers.dataset.prompts import Prompt
from mindformers.generation import GenerationOptions
from mindformers.generation.requests import Answer
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.tools.errors import InputError
from mindformers.trainer import answers, runner
from mindformers.trainer.answers import AnswerFile
from mindformers.trainer.build import build_model_config, build_network
from mindformers.trainer.checkpoint import save_weights
from mindformers.trainer.data import evaluation_data, training_data
from mindformers.trainer.predicting import Survey, output_columns, predict_all, survey
from mindformers.trainer.runner import generation_options
from tests.trainer.small_run import BATCH_SIZE, MODEL, NUM_ROWS, recipe_content, rows_of, small_recipe, write_data


def flags(**given: Any) -> Namespace:
    return Namespace(**{**dict.fromkeys(FLAGS), **given})


def recipe_with_model(folder: Path, **model: Any) -> Recipe:
    recipe = small_recipe(folder)
    recipe.model.model_config |= model
    return recipe


def test_generation_takes_the_recipes_defaults(tmp_path: Path) -> None:
    given = {"top_k": 3, "top_p": 0.9, "temperature": 0.7, "repetition_penalty": 1.1, "num_return_sequences": 2}
    recipe = recipe_with_model(tmp_path, do_sample=True, max_decode_length=7, min_new_tokens=2, stop=["."], **given)
    found = generation_options(recipe, build_model_config(recipe), flags())
    assert found == GenerationOptions(max_new_tokens=7, min_new_tokens=2, do_sample=True, stop=(".",), seed=5, **given)
    beams = recipe_with_model(tmp_path, num_beams=4, length_penalty=0.5)
    found = generation_options(beams, build_model_config(beams), flags(num_beams=2))
    assert (found.num_beams, found.length_penalty) == (2, 0.5)


def test_what_only_a_flag_says_reaches_the_options(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    given = {"num_beams": 3, "constrain": "dna", "stop": ["a", "b"], "log_probabilities": True}
    found = generation_options(recipe, build_model_config(recipe), flags(**given))
    assert (found.num_beams, found.constrain, found.log_probabilities) == (3, "dna", True)
    assert found.stop == ("a", "b")


def test_flags_win_over_the_recipe_even_where_they_are_zero_or_false(tmp_path: Path) -> None:
    recipe = recipe_with_model(tmp_path, max_decode_length=7, top_k=3, do_sample=True)
    found = generation_options(recipe, build_model_config(recipe), flags(max_new_tokens=2, top_k=0, do_sample=False))
    assert (found.max_new_tokens, found.top_k, found.do_sample) == (2, 0, False)


@pytest.mark.parametrize(
    ("flag", "of_runner", "of_model", "found"), [(7, 4, 2, 7), (None, 4, 2, 4), (None, None, 2, 2)]
)
def test_prompts_at_once(tmp_path: Path, flag: int | None, of_runner: int | None, of_model: int, found: int) -> None:
    recipe = recipe_with_model(tmp_path, batch_size=of_model)
    recipe.runner_config.batch_size = of_runner
    config = build_model_config(recipe)
    assert runner._predict_batch_size(recipe, config, flags(predict_batch_size=flag)) == found


def test_prompts_are_surveyed_with_their_columns_in_the_order_of_their_appearance() -> None:
    prompts = [Prompt("a", {"x": "1", "y": "2"}), Prompt("bcd"), Prompt("c", {"z": "3", "x": "4"})]
    assert survey(prompts, Letters(), seq_length=4) == Survey(count=3, longest=3, columns=["x", "y", "z"])


def test_data_follows_from_its_section(tmp_path: Path) -> None:
    write_data(tmp_path)
    recipe = small_recipe(tmp_path, eval_dataset__data_loader__shuffle=True, eval_dataset__drop_remainder=True)
    config = build_model_config(recipe)
    training, held_out = training_data(recipe, config), evaluation_data(recipe, config)
    assert (training.num_rows, training.num_batches) == (NUM_ROWS, NUM_ROWS // BATCH_SIZE)
    assert training.row_order(0).tolist() != list(range(NUM_ROWS))
    # every record counts once, in the order of the file, whatever the section says
    assert (held_out.num_rows, held_out.num_batches) == (5, 2)
    assert held_out.row_order(0).tolist() == list(range(5))


def test_data_may_be_named_file_by_file_and_needs_a_name(tmp_path: Path) -> None:
    write_data(tmp_path)
    files = [str(tmp_path / "train.mindrecord"), str(tmp_path / "test.mindrecord")]
    nameless = {"train_dataset__data_loader__dataset_dir": ""}
    recipe = small_recipe(tmp_path, train_dataset__data_loader__dataset_files=files, **nameless)
    assert training_data(recipe, build_model_config(recipe)).num_rows == NUM_ROWS + 5
    with pytest.raises(InputError, match=r"train_dataset\.data_loader\.dataset_dir: not given.*--train_dataset_dir"):
        training_data(small_recipe(tmp_path, **nameless), build_model_config(recipe))


def test_records_must_be_one_longer_than_the_model(tmp_path: Path) -> None:
    write_records(tmp_path / "train.mindrecord", rows_of(8, length=MODEL["seq_length"]))
    recipe = small_recipe(tmp_path)
    with pytest.raises(InputError, match=r"records of 12 tokens; expected 13, one more than seq_length"):
        training_data(recipe, build_model_config(recipe))


def weights_of(recipe: Recipe) -> np.ndarray:
    return runner._network(recipe, build_model_config(recipe)).lm_head.weight.asnumpy()


def test_weights_come_from_the_checkpoint_the_models_own_or_the_seed(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    random = weights_of(recipe)
    config = build_model_config(recipe)
    assert np.array_equal(random, build_network(recipe, config, random=True).lm_head.weight.asnumpy())
    for number in (1, 2):
        save_weights(LlamaForCausalLM(config, seed=number).get_parameters(), tmp_path / f"{number}.safetensors")
    recipe.model.model_config["checkpoint_name_or_path"] = str(tmp_path / "1.safetensors")
    of_model = weights_of(recipe)
    recipe.load_checkpoint = str(tmp_path / "2.safetensors")
    of_recipe = weights_of(recipe)
    assert np.array_equal(of_model, LlamaForCausalLM(config, seed=1).lm_head.weight.asnumpy())
    assert np.array_equal(of_recipe, LlamaForCausalLM(config, seed=2).lm_head.weight.asnumpy())


def test_a_name_of_mindformers_zoo_is_no_file_and_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(runner.logger, "warning", lambda text, *values: said.append(text % values))
    recipe = recipe_with_model(tmp_path, checkpoint_name_or_path="llama2_7b")
    assert weights_of(recipe).any()
    assert len(said) == 1
    assert "no file 'llama2_7b'; weights start random" in said[0]


def test_an_unusable_flag_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    with pytest.raises(InputError, match="--predict_data: not given"):
        runner.predict(recipe, flags())
    with pytest.raises(InputError, match="load_checkpoint: not given"):
        runner.evaluate(recipe)
    assert not Path(recipe_content(tmp_path)["output_dir"]).exists()


class Echo:
    """An engine that answers with the prompt's last tokens and notes what it was asked."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self.fails_at = fails_at

    def answers_in_turn(
        self, prompts: Iterator[list[int]], options: GenerationOptions, longest: int, num_slots: int, first_index: int
    ) -> Iterator[tuple[int, list[Answer]]]:
        self.asked.append((first_index, longest, num_slots))
        for number, prompt in enumerate(prompts):
            if first_index + number == self.fails_at:
                raise KeyboardInterrupt
            count = options.num_return_sequences
            yield number, [Answer(prompt[-1 - rank :], -0.5 - rank) for rank in range(count)]


class Letters:
    """Ids are code points."""

    def encode(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return f" {''.join(map(chr, ids))}\n"


PROMPTS = [Prompt(text, {"id": str(i)}, f"p.txt line {i + 1}") for i, text in enumerate(["ab", "c", "de", "f", "gh"])]


def predicted(engine: Any, prompts: list[Prompt], batch_size: int, *file: AnswerFile, **options: Any) -> list[str]:
    known, given = survey(prompts, Letters(), seq_length=4), GenerationOptions(**options)
    found = predict_all(engine, Letters(), prompts, known, given, batch_size, *file)
    return [text for texts in found for text in texts]


def test_prompts_are_answered_under_their_place(tmp_path: Path) -> None:
    engine, file = Echo(), AnswerFile(tmp_path / "out.tsv", ["id"])
    assert predicted(engine, PROMPTS, 2, file) == ["b", "c", "e", "f", "h"]
    assert engine.asked == [(0, 2, 2)]
    lines = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    assert lines == ["id\toutput", "0\tb", "1\tc", "2\te", "3\tf", "4\th"]


def test_what_is_answered_is_not_asked_again(tmp_path: Path) -> None:
    AnswerFile(tmp_path / "out.txt", []).add([({}, ["b"]), ({}, ["c"]), ({}, ["e"])])
    engine = Echo()
    file = AnswerFile(tmp_path / "out.txt", [], resume=True)
    assert predicted(engine, PROMPTS, 9, file) == ["f", "h"]
    assert engine.asked == [(3, 2, 2)]  # no more slots than prompts


def test_each_answer_reaches_the_file_when_it_is_there(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "out.txt", [], lines_per_sync=9)
    with pytest.raises(KeyboardInterrupt):
        predicted(Echo(fails_at=3), PROMPTS, 9, file)
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "b\nc\ne\n"


def test_the_disk_is_waited_for_behind_some_lines_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, waited = AnswerFile(tmp_path / "out.txt", [], lines_per_sync=2), []
    monkeypatch.setattr(answers, "sync", lambda path: waited.append(len(path.read_bytes().splitlines())))
    predicted(Echo(), PROMPTS, 2, file)
    assert waited == [2, 4, 5]


SCORED = {"do_sample": True, "num_return_sequences": 2}


def test_several_answers_stand_in_one_line_with_their_log_probabilities(tmp_path: Path) -> None:
    columns = output_columns(GenerationOptions(**SCORED))
    file = AnswerFile(tmp_path / "out.tsv", ["id", "output"], outputs=columns)
    assert predicted(Echo(), PROMPTS[:2], 1, file, **SCORED) == ["b", "ab", "c", "c"]
    assert (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines() == [
        "id\toutput\tlog_probability\toutput 2\tlog_probability 2",
        "0\tb\t-0.500000\tab\t-1.500000",
        "1\tc\t-0.500000\tc\t-1.500000",
    ]


def test_fewer_answers_than_asked_for_leave_cells_empty(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "out.tsv", ["id"], outputs=["output", "output 2"])
    file.add([({"id": "1"}, ["x"])])
    assert (tmp_path / "out.tsv").read_text(encoding="utf-8") == "id\toutput\toutput 2\n1\tx\t\n"


def test_several_answers_on_the_screen_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    predicted(Echo(), PROMPTS[:1], 1, **SCORED)
    assert capsys.readouterr().out == "b\t-0.500000\nab\t-1.500000\n"
    predicted(Echo(), PROMPTS[:1], 1, log_probabilities=True)
    assert capsys.readouterr().out == "b\t-0.500000\n"


def test_one_prompt_that_is_too_long_stops_all_before_the_first(tmp_path: Path) -> None:
    engine = Echo()
    prompts = [*PROMPTS, Prompt("long", {}, "p.txt line 6")]
    with pytest.raises(InputError, match=r"p\.txt line 6: 4 tokens"):
        predicted(engine, prompts, 2, AnswerFile(tmp_path / "out.txt", []))
    assert engine.asked == []
    assert not (tmp_path / "out.txt").exists()


def test_answers_without_a_file_go_to_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    predicted(Echo(), PROMPTS[:2], 1)
    assert capsys.readouterr().out == "b\nc\n"
