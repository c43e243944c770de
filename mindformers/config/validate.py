"""The checks that a type cannot express: ranges, and keys that must fit each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from mindformers.config.schema.callbacks import CheckpointMonitor, LossMonitor
from mindformers.config.schema.recipe import Recipe
from mindformers.config.sources import check_sources
from mindformers.modalities import MODALITIES
from mindformers.tools.errors import InputError, unknown_name
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)

_LOADER, INSTRUCTIONS = "MindDataset", "InstructionDataset"
_MEASURES = ("loss", "perplexity", "accuracy")
_MODALITIES = tuple(row.name for row in MODALITIES)

Check = tuple[Callable[[Any], bool], str]

POSITIVE: Check = (lambda value: value > 0, "a number above 0")
NOT_NEGATIVE: Check = (lambda value: value >= 0, "0 or more")
COUNT: Check = (lambda value: value >= 1, "1 or more")
SHARE: Check = (lambda value: 0 <= value < 1, "at least 0 and below 1")
STEPS_OR_NONE: Check = (lambda value: value == -1 or value >= 1, "1 or more, or -1 for none")
ABOVE_ONE: Check = (lambda value: value > 1, "a number above 1")

_CHECKS: dict[str, Check] = {
    "seed": NOT_NEGATIVE,
    "runner_config.epochs": COUNT,
    "runner_config.batch_size": COUNT,
    "runner_config.num_samples": COUNT,
    "runner_config.gradient_accumulation_steps": COUNT,
    "optimizer.beta1": SHARE,
    "optimizer.beta2": SHARE,
    "optimizer.eps": POSITIVE,
    "optimizer.learning_rate": POSITIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "lr_schedule.learning_rate": POSITIVE,
    "lr_schedule.lr_end": NOT_NEGATIVE,
    "lr_schedule.warmup_lr_init": NOT_NEGATIVE,
    "lr_schedule.warmup_ratio": SHARE,
    "lr_schedule.warmup_steps": NOT_NEGATIVE,
    "lr_schedule.warmup_epochs": NOT_NEGATIVE,
    "lr_schedule.total_steps": STEPS_OR_NONE,
    "train_dataset.batch_size": COUNT,
    "train_dataset.num_parallel_workers": COUNT,
    "train_dataset.eod_token_id": NOT_NEGATIVE,
    "eval_dataset.batch_size": COUNT,
    "eval_dataset.num_parallel_workers": COUNT,
    "eval_dataset.eod_token_id": NOT_NEGATIVE,
    "eval_step_interval": STEPS_OR_NONE,
    "eval_epoch_interval": STEPS_OR_NONE,
    "save_freq": COUNT,
    "logging_steps": COUNT,
    "max_source_seq_len": ABOVE_ONE,
    "max_target_seq_len": (lambda value: value > 2, "3 or more"),
    "evaluation.max_rows": COUNT,
    "evaluation.min_delta": NOT_NEGATIVE,
    "evaluation.patience": COUNT,
    "profile_start_step": COUNT,
    "micro_batch_interleave_num": COUNT,
    "context.device_id": NOT_NEGATIVE,
    "context.peak_tflops": POSITIVE,
    "runner_wrapper.max_grad_norm": POSITIVE,
    "runner_wrapper.max_skipped_steps": COUNT,
    "runner_wrapper.loss_scale.loss_scale_value": POSITIVE,
    "runner_wrapper.loss_scale.scale_factor": ABOVE_ONE,
    "runner_wrapper.loss_scale.scale_window": COUNT,
} | {
    f"parallel_config.{name}": COUNT
    for name in (
        "data_parallel",
        "model_parallel",
        "pipeline_stage",
        "context_parallel",
        "expert_parallel",
        "micro_batch_num",
    )
}


def validate(config: Recipe) -> None:
    """Refuse a recipe whose values are out of range or contradict each other.

    Raises:
        InputError: names the dotted key at fault.
    """
    for key, check in _CHECKS.items():
        _check(key.replace(".loss_scale.", ".scale_sense."), reduce(getattr, key.split("."), config), check)
    _check_callbacks(config)
    _check_datasets(config)
    _check_schedule(config)
    _check_pipeline(config)
    _check_adapter(config)
    _check_evaluation(config)
    _check_profile(config)
    if not config.model.model_config:
        raise InputError("model.model_config", "is missing", "the network's settings", "add the section")


def warn_shadowed(config: Recipe) -> None:
    """Name each setting that another one overrules, where the two differ."""
    batch_size, peak = config.runner_config.batch_size, config.lr_schedule.learning_rate
    _warn("train_dataset.batch_size", config.train_dataset.batch_size, "runner_config.batch_size", batch_size)
    _warn("eval_dataset.batch_size", config.eval_dataset.batch_size, "runner_config.batch_size", batch_size)
    _warn("optimizer.learning_rate", config.optimizer.learning_rate, "lr_schedule.learning_rate", peak)
    ratio = config.lr_schedule.warmup_ratio
    _warn_unread_end_token(config)
    _warn("lr_schedule.warmup_steps", config.lr_schedule.warmup_steps or None, "lr_schedule.warmup_ratio", ratio)
    _warn("lr_schedule.warmup_epochs", config.lr_schedule.warmup_epochs or None, "lr_schedule.warmup_ratio", ratio)


def _warn_unread_end_token(config: Recipe) -> None:
    for section in ("train_dataset", "eval_dataset"):
        dataset = getattr(config, section)
        if dataset.eod_token_id is not None and not dataset.eod_reset:
            logger.warning("'%s.eod_token_id' has no effect without '%s.eod_reset: True'", section, section)


def _warn(loser: str, lost: Any, winner: str, won: Any) -> None:
    if lost is not None and won is not None and lost != won:
        logger.warning("'%s' (%s) is overruled by '%s' (%s)", loser, lost, winner, won)


def _check(key: str, value: Any, check: Check) -> None:
    is_fine, expected = check
    if value is not None and not is_fine(value):
        raise InputError(key, f"got {value}", expected, "correct the value")


def _check_callbacks(config: Recipe) -> None:
    for index, item in enumerate(config.callbacks):
        where = f"callbacks.{index}"
        if isinstance(item, CheckpointMonitor):
            _check(f"{where}.save_checkpoint_steps", item.save_checkpoint_steps, COUNT)
            _check(f"{where}.keep_checkpoint_max", item.keep_checkpoint_max, COUNT)
            if not item.prefix or "/" in item.prefix:
                raise InputError(f"{where}.prefix", f"got '{item.prefix}'", "a file name's start", "correct the value")
        elif isinstance(item, LossMonitor):
            _check(f"{where}.per_print_times", item.per_print_times, COUNT)


def _check_datasets(config: Recipe) -> None:
    _check_loader_type(config)
    for section in ("train_dataset", "eval_dataset"):
        dataset = getattr(config, section)
        loader, where = dataset.data_loader, f"{section}.data_loader"
        if loader.dataset_dir and loader.dataset_files:
            raise InputError(f"{where}.dataset_files", "given beside dataset_dir", "one of the two", "set one to null")
        check_sources(loader, where, may_mix=section == "train_dataset")
        if not dataset.input_columns:
            raise InputError(f"{section}.input_columns", "is empty", "input_ids and labels", "name the columns")


def _check_loader_type(config: Recipe) -> None:
    """Only the data set that this run reads: a recipe made for other data still predicts."""
    section = {"train": "train_dataset", "finetune": "train_dataset", "eval": "eval_dataset"}.get(config.run_mode)
    name = getattr(config, section).data_loader.type if section else _LOADER
    if name == INSTRUCTIONS:
        loader = getattr(config, section).data_loader
        if not (loader.dataset_type or (loader.sources and all(source.dataset_type for source in loader.sources))):
            where, expected = f"{section}.data_loader.dataset_type", "a format such as alpaca or context_target"
            raise InputError(where, "not given", expected, "add it")
    elif name != _LOADER:
        where, expected = f"{section}.data_loader.type", f"{_LOADER} or {INSTRUCTIONS}"
        raise InputError(where, f"got '{name}'", expected, "make a MindRecord file with llama_preprocess.py")


def _check_schedule(config: Recipe) -> None:
    if config.lr_schedule.lr_end > config.learning_rate:
        got = f"got {config.lr_schedule.lr_end}"
        raise InputError("lr_schedule.lr_end", got, f"at most the peak {config.learning_rate}", "correct the value")


def _check_adapter(config: Recipe) -> None:
    if config.adapter and config.run_mode in ("split_experts", "tune_routers", "expert_report"):
        got, expected = f"given with --run_mode {config.run_mode}", "weights without an adapter"
        raise InputError("adapter", got, expected, "merge it first with python -m mindformers.pet.merge")


def _check_evaluation(config: Recipe) -> None:
    name, dot, modality = config.evaluation.best_metric.partition(".")
    if name not in _MEASURES:
        raise unknown_name("evaluation.best_metric", name, _MEASURES)
    if dot and modality not in _MODALITIES:
        raise unknown_name("evaluation.best_metric", modality, _MODALITIES)


def _check_profile(config: Recipe) -> None:
    if config.profile_stop_step < config.profile_start_step:
        expected = f"at least profile_start_step ({config.profile_start_step})"
        raise InputError("profile_stop_step", f"got {config.profile_stop_step}", expected, "correct the value")


def _check_pipeline(config: Recipe) -> None:
    stages, parts = config.parallel_config.pipeline_stage, config.parallel_config.micro_batch_num
    if parts < stages:
        expected = f"at least pipeline_stage ({stages})"
        raise InputError("parallel_config.micro_batch_num", f"got {parts}", expected, "raise it or use fewer stages")
