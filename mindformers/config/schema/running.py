"""How a run proceeds: epochs, optimizer, learning rate, loss scale, device context."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mindformers.config.inert import inert


@dataclass
class TrainerConfig:
    """`trainer`: MindFormers' choice of a task; here the run mode and `model` decide.

    Args:
        type: trainer class of MindFormers.
        model_name: name that MindFormers looks up.
    """

    type: str = inert("CausalLanguageModelingTrainer")
    model_name: str = inert("")


@dataclass
class RunnerConfig:
    """`runner_config`: the size of a run.

    Args:
        epochs: passes over the training data.
        batch_size: examples per step and device; where given it wins over the batch sizes of the datasets.
        num_samples: use only the first so many records of a dataset; None means all.
        gradient_accumulation_steps: batches per step; the step is that of one batch with all their examples.
    """

    epochs: int = 1
    batch_size: int | None = None
    num_samples: int | None = None
    gradient_accumulation_steps: int = 1
    sink_mode: bool = inert(False)
    sink_size: int = inert(-1)
    sink_per_epoch: bool | int = inert(False)
    per_epoch_size: int = inert(-1)
    initial_epoch: int = inert(0)
    initial_step: int = inert(0)
    num_classes: int | None = inert()
    image_size: int | list[int] | None = inert()


@dataclass
class OptimizerConfig:
    """`optimizer`.

    Args:
        type: MindFormers' name; every Adam with decoupled weight decay is the same AdamW here.
        beta1: decay of the running mean of the gradients, in [0, 1).
        beta2: decay of the running mean of their squares, in [0, 1).
        eps: added to the denominator.
        learning_rate: constant rate for a recipe that has no `lr_schedule.learning_rate`.
        weight_decay: share of a weight that is taken off per step and unit of learning rate.
        no_decay: patterns of the names of weights that are not decayed, `*` for any text: by default norms, biases and
            embeddings. An empty list decays all.
    """

    type: str = "AdamW"
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    learning_rate: float | None = None
    weight_decay: float = 0.0
    no_decay: list[str] = field(default_factory=lambda: ["*norm*", "*bias", "*embedding*"])


@dataclass
class LrScheduleConfig:
    """`lr_schedule`: the learning rate over the steps.

    Args:
        type: MindFormers' name of the curve.
        learning_rate: the peak, reached after the warm-up.
        lr_end: the rate at the last step.
        warmup_lr_init: the rate at the first step.
        warmup_ratio: share of all steps that is warm-up, in [0, 1); wins over the two below.
        warmup_steps: warm-up in steps.
        warmup_epochs: warm-up in epochs.
        total_steps: steps until `lr_end`; -1 means those of the whole run.
    """

    type: str = "CosineWithWarmUpLR"
    learning_rate: float | None = None
    lr_end: float = 0.0
    warmup_lr_init: float = 0.0
    warmup_ratio: float | None = None
    warmup_steps: int = 0
    warmup_epochs: int | None = None
    total_steps: int = -1
    num_cycles: float | None = inert()
    power: float | None = inert()
    decay_steps: int | None = inert()
    decay_epochs: int | None = inert()


@dataclass
class ScaleSense:
    """`runner_wrapper.scale_sense`: the factor on the loss that keeps float16 gradients from vanishing.

    Args:
        type: `DynamicLossScaleUpdateCell` adapts the factor, `FixedLossScaleUpdateCell` keeps it.
        loss_scale_value: the factor at the start.
        scale_factor: what the factor is divided by after an overflow and multiplied by after a calm window.
        scale_window: steps without an overflow that make a calm window.
    """

    type: Literal["DynamicLossScaleUpdateCell", "FixedLossScaleUpdateCell"] = "DynamicLossScaleUpdateCell"
    loss_scale_value: float = 65536.0
    scale_factor: float = 2.0
    scale_window: int = 1000


@dataclass
class RunnerWrapper:
    """`runner_wrapper`: the train step.

    Args:
        scale_sense: a plain number is a fixed loss scale.
        use_clip_grad: whether gradients are clipped by their global norm.
        max_grad_norm: the norm above which they are.
        max_skipped_steps: steps in a row that change nothing, as gradients are not finite, until training gives up.
    """

    type: str = inert("MFTrainOneStepCell")
    scale_sense: float | ScaleSense = 1.0
    use_clip_grad: bool = False
    max_grad_norm: float = 1.0
    max_skipped_steps: int = 20

    @property
    def loss_scale(self) -> ScaleSense:
        """`scale_sense` in its long form."""
        if isinstance(self.scale_sense, ScaleSense):
            return self.scale_sense
        return ScaleSense("FixedLossScaleUpdateCell", self.scale_sense)


@dataclass
class EvaluationConfig:
    """`evaluation`: how training evaluates on the way, where `do_eval` says that it does.

    Args:
        max_rows: records of `eval_dataset` that such an evaluation reads, from its beginning; None means all. The
            evaluation at the end of training always reads all.
        best_metric: what decides which checkpoint is the best: `loss`, `perplexity` or `accuracy`, in total or of one
            modality as `loss.molecule`.
        min_delta: the least change of it that counts as better.
        patience: evaluations without a better one after which training stops; None means never.
    """

    max_rows: int | None = 512
    best_metric: str = "loss"
    min_delta: float = 0.0
    patience: int | None = None


@dataclass
class ContextConfig:
    """`context`: where the run happens.

    Args:
        mode: 0 compiles whole graphs, 1 runs operator by operator.
        device_target: kind of device.
        device_id: which device of this machine.
        max_device_memory: how much of it to use, e.g. `58GB`; None leaves it to MindSpore.
        peak_tflops: what one device can compute in the recipe's type, in 10^12 operations per second, for the shown
            utilisation (MFU). On CPU None measures it by a matrix product; elsewhere None shows no utilisation.
    """

    mode: Literal[0, 1] = 0
    device_target: Literal["CPU", "Ascend", "GPU"] = "CPU"
    device_id: int = 0
    max_device_memory: str | None = None
    peak_tflops: float | None = None
    enable_graph_kernel: bool = inert(False)
    graph_kernel_flags: str = inert("")
    max_call_depth: int | None = inert()
    save_graphs: bool | int = inert(False)
    save_graphs_path: str = inert("")
    runtime_num_threads: int | None = inert()
    inter_op_parallel_num: int | None = inert()
    memory_optimize_level: str | None = inert()
    memory_offload: str | None = inert()
    mempool_block_size: str | None = inert()
    variable_memory_max_size: str | None = inert()
    deterministic: str | None = inert()
    jit_level: str | None = inert()
    jit_config: dict[str, Any] = inert({})
    ascend_config: dict[str, Any] = inert({})
    enable_compile_cache: bool = inert(False)
    compile_cache_path: str = inert("")
    pynative_synchronize: bool = inert(False)
    precompile_only: bool = inert(False)
    print_file_path: str = inert("")
    check_bprop: bool = inert(False)
    affinity_cpu_list: Any = inert()
