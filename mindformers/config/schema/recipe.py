"""A whole recipe: MindFormers' 0.8 dialect, section by section, in the order of a run."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from mindformers.config.inert import inert
from mindformers.config.schema.callbacks import Callback
from mindformers.config.schema.dataset import DatasetConfig, DatasetTaskConfig, EvalDatasetConfig
from mindformers.config.schema.model import ModelSection, ProcessorConfig
from mindformers.config.schema.parallel import MoeConfig, ParallelConfig, ParallelContext, RecomputeConfig
from mindformers.config.schema.running import (
    ContextConfig,
    EvaluationConfig,
    LrScheduleConfig,
    OptimizerConfig,
    RunnerConfig,
    RunnerWrapper,
    TrainerConfig,
)

RunMode = Literal[
    "train", "finetune", "eval", "predict", "chat", "export", "plan", "split_experts", "tune_routers", "expert_report"
]
RUN_MODES: tuple[str, ...] = get_args(RunMode)

C = TypeVar("C", bound=Callback)


@dataclass
class Recipe:
    """Everything that a run needs to know. The attributes are the keys of the YAML file.

    Args:
        seed: start of every random draw.
        output_dir: folder of logs, checkpoints and results.
        load_checkpoint: weights to start from, a file or a folder; empty means none.
        adapter: LoRA adapter that belongs to these weights, a file or a folder; empty means none.
        resume_training: whether optimizer, step and data position are taken from `load_checkpoint` as well.
        run_mode: what to do.
        do_eval: whether training evaluates on the way.
        eval_step_interval: steps between two such evaluations; -1 means none by steps.
        eval_epoch_interval: epochs between two such evaluations; -1 means none by epochs. Where both are -1, training
            evaluates only at its end.
        save_freq: steps between two checkpoints, in place of `save_checkpoint_steps` of the callback; and between two
            evaluations where `do_eval` has no interval of its own.
        logging_steps: steps between two log lines, in place of `per_print_times` of the callback.
        max_source_seq_len: tokens of a prompt, of a model with a prefix; None for no limit.
        max_target_seq_len: tokens of its answer in training; None for no limit.
        use_parallel: whether this process is one of several.
        micro_batch_interleave_num: parts of a batch whose computation and communication overlap.
        name: the file's name; no key of the YAML.
        profile: whether the times of a training step's parts are measured and written to `profile.json`.
        profile_start_step, profile_stop_step: the first and the last step of a run that are measured, from 1.
    """

    seed: int = 0
    output_dir: str = "output"
    load_checkpoint: str = ""
    adapter: str = ""
    resume_training: bool = False
    run_mode: RunMode = "train"
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    runner_config: RunnerConfig = field(default_factory=RunnerConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lr_schedule: LrScheduleConfig = field(default_factory=LrScheduleConfig)
    train_dataset: DatasetConfig = field(default_factory=DatasetConfig)
    train_dataset_task: DatasetTaskConfig | None = inert()
    do_eval: bool = False
    eval_step_interval: int = -1
    eval_epoch_interval: int = -1
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    eval_dataset: EvalDatasetConfig = field(default_factory=EvalDatasetConfig)
    eval_dataset_task: DatasetTaskConfig | None = inert()
    save_freq: int | None = None
    logging_steps: int | None = None
    max_source_seq_len: int | None = None
    max_target_seq_len: int | None = None
    use_parallel: bool = False
    parallel: ParallelContext = field(default_factory=ParallelContext)
    parallel_config: ParallelConfig = field(default_factory=ParallelConfig)
    micro_batch_interleave_num: int = 1
    moe_config: MoeConfig | None = inert(instead="model.model_config.experts")
    recompute_config: RecomputeConfig = field(default_factory=RecomputeConfig)
    callbacks: list[Callback] = field(default_factory=list)
    eval_callbacks: list[Callback] = inert([])
    context: ContextConfig = field(default_factory=ContextConfig)
    model: ModelSection = field(default_factory=ModelSection)
    processor: ProcessorConfig = field(default_factory=ProcessorConfig)
    runner_wrapper: RunnerWrapper = field(default_factory=RunnerWrapper)
    metric: Any = inert()
    infer: Any = inert()
    src_strategy_path_or_dir: str = inert("")
    auto_trans_ckpt: bool = inert(False)
    only_save_strategy: bool = inert(False)
    transform_process_num: int | None = inert()
    ignore_data_skip: bool = inert(False)
    data_skip_steps: int | None = inert()
    auto_tune: bool = inert(False)
    filepath_prefix: str = inert("")
    autotune_per_step: int = inert(10)
    profile: bool = False
    profile_start_step: int = 1
    profile_stop_step: int = 10
    init_start_profile: bool = inert(False)
    profile_communication: bool = inert(False)
    profile_memory: bool = inert(True)
    layer_scale: bool = inert(False)
    layer_decay: float | None = inert()
    lr_scale: bool = inert(False)
    lr_scale_factor: int | None = inert()
    remote_save_url: str = inert("")
    name: str = field(default="", init=False, compare=False)

    @property
    def train_batch_size(self) -> int:
        """Training examples per step and device."""
        return self.runner_config.batch_size or self.train_dataset.batch_size or 1

    @property
    def eval_batch_size(self) -> int:
        """Evaluation examples per step and device."""
        return self.runner_config.batch_size or self.eval_dataset.batch_size or 1

    @property
    def learning_rate(self) -> float:
        """The peak learning rate, from the schedule or else from the optimizer; 1e-4 where neither has one."""
        return self.lr_schedule.learning_rate or self.optimizer.learning_rate or 1e-4

    def callback(self, kind: type[C]) -> C | None:
        """The first callback of a class, e.g. `recipe.callback(CheckpointMonitor)`; None where there is none."""
        return next((item for item in self.callbacks if isinstance(item, kind)), None)
