"""The command line of run_mindformer.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindformers.config import RUN_MODES, load_recipe, parse_arguments, warn_unused_flags
from mindformers.config.flags import FLAGS

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "configs/llama2/run_scimind_tiny.yaml")

_NAMES = (
    "config run_mode load_checkpoint train_dataset_dir eval_dataset_dir predict_data predict_batch_size save_file "
    "use_parallel device_target device_id mode seed epochs batch_size sink_mode num_samples resume_training resume "
    "profile options adapter num_beams do_sample top_k top_p temperature repetition_penalty max_new_tokens constrain "
    "export_format export_dir method data patterns_dir output output_dir num_shots shots_data score_as "
    "text_tokenizer device_num device_memory length_penalty num_return_sequences log_probabilities min_new_tokens stop"
)
ALL_FLAGS = set(_NAMES.split())


def test_every_documented_flag_is_there() -> None:
    assert set(FLAGS) == ALL_FLAGS
    assert all(flag.help and flag.modes <= set(RUN_MODES) for flag in FLAGS.values())


def test_flags_have_their_types_and_none_where_absent() -> None:
    words = "--config c.yaml --predict_data a b --predict_batch_size 4 --top_p 0.9 --do_sample true --top_k=5"
    flags, overrides = parse_arguments(words.split())
    assert flags.predict_data == ["a", "b"]
    assert (flags.predict_batch_size, flags.top_p, flags.do_sample, flags.top_k) == (4, 0.9, True, 5)
    assert flags.save_file is None
    assert overrides == []


def test_flags_that_stand_for_a_key_change_the_recipe() -> None:
    words = (
        f"--config {TINY} --run_mode eval --load_checkpoint 007 --train_dataset_dir d1 --eval_dataset_dir d2 "
        "--use_parallel False --device_target Ascend --device_id 3 --mode 1 --seed 9 --epochs 5 --batch_size 6 "
        "--num_samples 10 --resume_training True --output_dir 1e3"
    )
    flags, overrides = parse_arguments(words.split())
    recipe = load_recipe(flags.config, overrides)
    assert (recipe.run_mode, recipe.load_checkpoint, recipe.output_dir, recipe.seed) == ("eval", "007", "1e3", 9)
    assert recipe.train_dataset.data_loader.dataset_dir == "d1"
    assert recipe.eval_dataset.data_loader.dataset_dir == "d2"
    assert (recipe.use_parallel, recipe.resume_training) == (False, True)
    assert (recipe.context.device_target, recipe.context.device_id, recipe.context.mode) == ("Ascend", 3, 1)
    assert (recipe.runner_config.epochs, recipe.runner_config.batch_size, recipe.runner_config.num_samples) == (
        5,
        6,
        10,
    )


def test_sink_mode_is_an_inert_key(log: list[tuple[str, str]]) -> None:
    flags, overrides = parse_arguments(f"--config {TINY} --sink_mode True --profile True".split())
    assert load_recipe(flags.config, overrides).profile
    assert [text for _, text in log] == ["'runner_config.sink_mode' has no effect here"]


def test_any_key_is_a_flag() -> None:
    words = ["--callbacks.1.prefix", "mine", "--do_eval=True", "--config", TINY, "--lr_schedule.lr_end", "1e-6"]
    words += ["--options", "optimizer.beta2=0.99", "--eval_step_interval", "-1"]
    flags, overrides = parse_arguments([*words, "--options", "seed=5"])
    assert overrides == [
        ("optimizer.beta2", "0.99"),
        ("seed", "5"),
        ("callbacks.1.prefix", "mine"),
        ("do_eval", "True"),
        ("lr_schedule.lr_end", "1e-6"),
        ("eval_step_interval", "-1"),
    ]
    recipe = load_recipe(flags.config, overrides)
    assert (recipe.callbacks[1].prefix, recipe.do_eval, recipe.seed) == ("mine", True, 5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--config c --epoch 3", "error: --epoch: unknown flag; did you mean '--epochs'?"),
        ("--config c --eval_interval 3", "unknown flag; did you mean '--eval_step_interval'?"),
        ("--config c --zzzzzz 3", "error: --zzzzzz: unknown flag; see --help"),
        ("--config c --epochs three", "argument --epochs: got 'three'; expected a whole number"),
        ("--config c --top_p high", "argument --top_p: got 'high'; expected a number"),
        ("--config c --use_parallel yes", "argument --use_parallel: got 'yes'; expected True or False"),
        ("--config c --use_parallel 1", "argument --use_parallel: got '1'; expected True or False"),
        ("--config c --run_mode trian", "got 'trian'; expected one of train, finetune, eval, predict, chat, export"),
        ("--config c --run_mode trian", "did you mean 'train'?"),
        ("--config c --mode 2", "argument --mode: got '2'; expected one of 0, 1"),
        ("--config c --seed", "argument --seed: expected one argument"),
        ("--config c --a.b", "--a.b: no value given"),
        ("--config c --a.b --c.d 1", "--a.b: no value given"),
        ("--config c --options seed", "--options: got 'seed'; expected KEY=VALUE"),
        ("--config c stray", "unrecognized arguments: stray"),
        ("--seed 1", "required: --config"),
        ("--conf c", "error: --conf: unknown flag; did you mean '--config'?"),
    ],
)
def test_bad_words_are_one_line_and_status_2(words: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(words.split())
    shown = capsys.readouterr()
    assert caught.value.code == 2
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert expected in shown.err


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{name} " in text for name in ALL_FLAGS)


def test_a_flag_of_another_mode_is_warned_about(log: list[tuple[str, str]]) -> None:
    parse_arguments(["--config", "c", "--run_mode", "export", "--epochs", "2", "--export_dir", "d", "--seed", "1"])
    assert log == [
        (
            "WARNING",
            "--epochs has no effect with --run_mode export; it belongs to: finetune, plan, train, tune_routers",
        )
    ]


def test_the_mode_of_the_recipe_is_checked_after_loading(log: list[tuple[str, str]]) -> None:
    flags, _ = parse_arguments(["--config", "c", "--save_file", "f", "--top_k", "3"])
    assert log == []
    assert warn_unused_flags(flags, "chat") == ["save_file"]
    assert len(log) == 1


def test_the_program_is_short() -> None:
    assert len((ROOT / "run_mindformer.py").read_text(encoding="utf-8").splitlines()) <= 80
