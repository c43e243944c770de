"""The run modes, each told in order: config, device, data, network, then the work."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

from mindformers.config import Recipe, dump
from mindformers.dataset.benchmark_prompts import Shots, required_items
from mindformers.dataset.prompts import Prompts
from mindformers.generation import Engine, GenerationOptions
from mindformers.parallel.device import rank
from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json
from mindformers.tools.logging import get_logger
from mindformers.trainer.adapting import adapter_to_train, choose_checkpoints, fitting_adapter, merge_adapter
from mindformers.trainer.answers import AnswerFile
from mindformers.trainer.build import (
    build_model_config,
    build_tokenizer,
    find_vocab_file,
    keep_tokenizer_beside,
    tokenizer_if_any,
)
from mindformers.trainer.checkpoint import find_checkpoint, kept_metadata
from mindformers.trainer.data import documents_of, evaluation_data, tell_sources, training_data
from mindformers.trainer.evaluating import Evaluation
from mindformers.trainer.held_out import HeldOut
from mindformers.trainer.instruction_data import with_records
from mindformers.trainer.predicting import output_columns, predict_all, survey
from mindformers.trainer.scoring_answers import check_scoring, score_answers
from mindformers.trainer.spreading import build_spread_network, meet, meet_with_copies
from mindformers.trainer.start import begin, begin_together, required_checkpoint
from mindformers.trainer.training import Training

logger = get_logger(__name__)


def train(recipe: Recipe, flags: argparse.Namespace | None = None) -> Path:
    """Train or fine-tune. Returns the last checkpoint's file."""
    begin_together(recipe)
    choose_checkpoints(recipe)
    tokenizer = tokenizer_if_any(recipe)
    config = build_model_config(recipe, tokenizer)
    mesh = meet(recipe, config)
    sections = ("train_dataset", "eval_dataset") if recipe.do_eval else ("train_dataset",)
    on_records = with_records(recipe, config, tokenizer, *sections)
    data = training_data(on_records, config, mesh)
    held_out_data = evaluation_data(on_records, config, mesh) if recipe.do_eval else None
    base = _base_file(recipe, config)
    net, spread = build_spread_network(recipe, config, mesh, base)
    adapter = adapter_to_train(recipe, config, net, base, spread)
    spread = adapter.spread if adapter else spread
    num_weights = sum(prod(spread.shape(weight)) for weight in net.trainable_params())
    held_out = HeldOut(recipe, net, held_out_data, mesh) if held_out_data else None
    training = Training(recipe, net, data, kept_metadata(base) if base else {}, adapter, held_out, spread)
    if recipe.resume_training:
        training.resume(Path(recipe.adapter if adapter else recipe.load_checkpoint))
    if mesh.is_first:
        _save_recipe(recipe, training.saver.folder)
    logger.info(
        "training %.2fM weights on %d records: %d epochs of %d steps",
        num_weights / 1e6,
        data.num_rows,
        training.epochs,
        training.steps_per_epoch,
    )
    tell_sources(data)
    checkpoint = training.run()
    if adapter is not None:
        adapter.save(recipe.output_dir)
    if held_out is not None:
        _report_evaluation(recipe, held_out.evaluate_all(), mesh)
    return checkpoint


def evaluate(recipe: Recipe, flags: argparse.Namespace | None = None) -> dict[str, Any]:
    """Loss, perplexity and accuracy on `eval_dataset`, printed and written to `eval.json`. Returns them."""
    required_checkpoint(recipe)
    begin_together(recipe)
    tokenizer = tokenizer_if_any(recipe)
    config = build_model_config(recipe, tokenizer)
    mesh = meet(recipe, config)
    data = evaluation_data(with_records(recipe, config, tokenizer, "eval_dataset"), config, mesh)
    net = _network(recipe, config, mesh)
    evaluation = Evaluation(net, config, mesh, documents_of(recipe.eval_dataset, config))
    return _report_evaluation(recipe, evaluation.measure(data), mesh)


def predict(recipe: Recipe, flags: argparse.Namespace, answers: list[str] | None = None) -> None:
    """Answer `flags.predict_data`, onto the screen or appended to `flags.save_file`; `answers` gets the texts too."""
    if not flags.predict_data:
        raise InputError("--predict_data", "not given", "a text or a file", "pass --predict_data TEXT_OR_FILE")
    check_scoring(flags.score_as, flags.save_file, flags.text_tokenizer)
    prompts = known = file = None

    def read(tokenizer: Any, config: Any, options: GenerationOptions) -> None:
        nonlocal prompts, known, file
        room = config.seq_length - min(options.max_new_tokens, config.seq_length // 2)
        shots = _shots(flags, recipe.seed, lambda text: len(tokenizer.encode(text)) <= room)
        prompts = Prompts(flags.predict_data, recipe.processor.template, shots)
        known = survey(prompts, tokenizer, config.seq_length)
        if flags.save_file and rank() == 0:
            outputs, batch_size = output_columns(options), _predict_batch_size(recipe, config, flags)
            file = AnswerFile(flags.save_file, known.columns, bool(flags.resume), outputs, batch_size)

    tokenizer, config, options = _checked(recipe, flags, read)
    begin_together(recipe)
    mesh = meet_with_copies(recipe)
    engine = Engine(_network(recipe, config), config.use_past, tokenizer)
    batch_size = _predict_batch_size(recipe, config, flags)
    for texts in predict_all(engine, tokenizer, prompts, known, options, batch_size, file, mesh):
        if answers is not None:
            answers += texts
    if file is not None:
        logger.info("%d answers in %s", known.count, file.path)
    if flags.score_as and mesh.is_first:
        score_answers(flags.score_as, flags.save_file, flags.text_tokenizer)


def answering(
    recipe: Recipe, flags: argparse.Namespace, before: Callable[[Any, Any, GenerationOptions], None] | None = None
) -> tuple[Engine, Any, GenerationOptions]:
    """Engine, tokenizer and options of a recipe, on one device; `before` as in `_checked`."""
    tokenizer, config, options = _checked(recipe, flags, before)
    begin(recipe)
    return Engine(_network(recipe, config), config.use_past, tokenizer), tokenizer, options


def _checked(
    recipe: Recipe, flags: argparse.Namespace, before: Callable[[Any, Any, GenerationOptions], None] | None
) -> tuple[Any, Any, GenerationOptions]:
    """Tokenizer, model config and options; `before` gets them before a device is used and the weights are loaded."""
    required_checkpoint(recipe)
    tokenizer = build_tokenizer(recipe)
    config = build_model_config(recipe, tokenizer)
    options = generation_options(recipe, config, flags)
    _predict_batch_size(recipe, config, flags)
    if before is not None:
        before(tokenizer, config, options)
    recipe.load_checkpoint = str(find_checkpoint(recipe.load_checkpoint))
    return tokenizer, config, options


def _shots(flags: argparse.Namespace, seed: int, fits: Callable[[str], bool]) -> Shots:
    """The solved examples of ChemLLMBench items that the flags ask for."""
    if flags.num_shots is not None and flags.num_shots < 0:
        raise InputError("--num_shots", str(flags.num_shots), "0 or more", "leave it out for all that an item has")
    if flags.shots_data and not flags.num_shots:
        raise InputError("--shots_data", "given without --num_shots", "a number of examples", "pass --num_shots 5")
    pool = [item for path in flags.shots_data or () for item in required_items(path, "--shots_data")]
    return Shots(flags.num_shots, pool, seed, fits)


def generation_options(recipe: Recipe, config: Any, flags: argparse.Namespace) -> GenerationOptions:
    """The recipe's generation defaults, with the flags over them."""

    def chosen(flag: str, key: str | None = None) -> Any:
        given = getattr(flags, flag, None)
        return getattr(config, key or flag) if given is None else given

    longest = flags.max_new_tokens
    if longest is not None and longest >= config.seq_length:
        expected = f"at most {config.seq_length - 1} (seq_length - 1)"
        raise InputError("max_new_tokens", str(longest), expected, "lower it")
    return GenerationOptions(
        max_new_tokens=chosen("max_new_tokens", "max_decode_length"),
        min_new_tokens=chosen("min_new_tokens"),
        do_sample=chosen("do_sample"),
        temperature=chosen("temperature"),
        top_k=chosen("top_k"),
        top_p=chosen("top_p"),
        repetition_penalty=chosen("repetition_penalty"),
        stop=tuple(chosen("stop")),
        num_beams=chosen("num_beams"),
        length_penalty=chosen("length_penalty"),
        num_return_sequences=chosen("num_return_sequences"),
        log_probabilities=bool(getattr(flags, "log_probabilities", None)),
        constrain=flags.constrain,
        seed=recipe.seed,
    )


def _predict_batch_size(recipe: Recipe, config: Any, flags: argparse.Namespace) -> int:
    if flags.predict_batch_size is None:
        return recipe.runner_config.batch_size or config.batch_size
    if flags.predict_batch_size < 1:
        raise InputError("--predict_batch_size", str(flags.predict_batch_size), "1 or more", "correct the value")
    return flags.predict_batch_size


def _network(recipe: Recipe, config: Any, mesh: Mesh = ALONE) -> Any:
    """The network that answers: the base, with the recipe's adapter in its weights."""
    base = _base_file(recipe, config)
    adapter = fitting_adapter(recipe, base)
    net, spread = build_spread_network(recipe, config, mesh, base)
    if adapter is not None:
        merge_adapter(net, adapter, spread)
    return net


def _base_file(recipe: Recipe, config: Any) -> Path | None:
    """The file of the first weights; None where they are random."""
    if recipe.load_checkpoint:
        return find_checkpoint(recipe.load_checkpoint)
    source = config.checkpoint_name_or_path
    if source and Path(source).exists():
        return find_checkpoint(source)
    if source:
        logger.warning("'model.model_config.checkpoint_name_or_path': no file '%s'; weights start random", source)
    return None


def _save_recipe(recipe: Recipe, checkpoint_folder: Path) -> None:
    """The resolved recipe and the tokenizer stand beside the checkpoints, so that a folder is complete in itself."""
    for folder in (Path(recipe.output_dir), checkpoint_folder):
        dump(recipe, folder / "config.yaml")
    vocab_file = find_vocab_file(recipe)
    if vocab_file:
        keep_tokenizer_beside(vocab_file, checkpoint_folder)


def _report_evaluation(recipe: Recipe, measures: dict[str, Any], mesh: Mesh) -> dict[str, Any]:
    if not mesh.is_first:
        return measures
    path = Path(recipe.output_dir) / "eval.json"
    write_json(path, measures)
    for name, row in measures.items():
        logger.info(
            "%-10s loss %.4f, perplexity %.2f, token accuracy %.1f %%, %d tokens",
            name,
            row["loss"],
            row["perplexity"],
            100 * row["accuracy"],
            row["tokens"],
        )
    logger.info("evaluation written to %s", path)
    return measures
