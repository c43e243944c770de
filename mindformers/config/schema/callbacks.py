"""What happens beside the steps: `callbacks` is a list whose items are chosen by `type`."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mindformers.config.inert import inert


@dataclass
class Callback:
    """Any item of `callbacks`.

    Args:
        type: name of the callback.
    """

    type: str
    variants: ClassVar[dict[str, type[Callback]]] = {}
    has_effect: ClassVar[bool] = True


@dataclass
class LossMonitor(Callback):
    """`MFLossMonitor`: one log line with loss, rate and speed every so often.

    Args:
        per_print_times: steps between two lines.
    """

    per_print_times: int = 1
    learning_rate: float | None = inert()
    micro_batch_num: int | None = inert()
    micro_batch_interleave_num: int | None = inert()
    origin_epochs: int | None = inert()
    dataset_size: int | None = inert()
    initial_epoch: int | None = inert()
    global_batch_size: int | None = inert()


@dataclass
class CheckpointMonitor(Callback):
    """`CheckpointMonitor`, which MindFormers 0.8 spells `CheckpointMointor`: saves checkpoints on the way.

    Args:
        prefix: start of the file names.
        directory: where they go; None means `checkpoint` in the output folder.
        save_checkpoint_steps: steps between two checkpoints.
        keep_checkpoint_max: how many of the newest are kept.
        integrated_save: with several devices, whether a checkpoint is put together and written by the first one; False
            has every device write what it holds.
    """

    prefix: str = "CKP"
    directory: str | None = None
    save_checkpoint_steps: int = 1000
    keep_checkpoint_max: int = 5
    integrated_save: bool = True
    save_checkpoint_seconds: int | None = inert(instead="save_checkpoint_steps")
    keep_checkpoint_per_n_minutes: int | None = inert(instead="keep_checkpoint_max")
    async_save: bool = inert(False)
    save_network_params: bool = inert(True)
    save_trainable_params: bool = inert(False)
    exception_save: bool = inert(False)
    checkpoint_format: str | None = inert()
    saved_network: Any = inert()
    append_info: Any = inert()
    enc_key: str | None = inert()
    enc_mode: str | None = inert()
    config: Any = inert()


@dataclass
class ObsMonitor(Callback):
    """`ObsMonitor`: uploads to a cloud store in MindFormers; nothing here."""

    has_effect: ClassVar[bool] = False
    upload_frequence: int | None = None
    step_upload_frequence: int | None = None
    epoch_upload_frequence: int | None = None
    keep_last: bool = True
    retry: int | None = None
    retry_time: int | None = None
    log: bool = True


@dataclass
class SummaryMonitor(Callback):
    """`SummaryMonitor`: event files for TensorBoard, a point per log line; in MindFormers they are MindInsight's.

    Args:
        summary_dir: where they go; None means `summary` in the output folder.
    """

    summary_dir: str | None = None
    collect_freq: int | None = inert(instead="per_print_times of MFLossMonitor")
    collect_specified_data: Any = inert()
    keep_default_action: bool = inert(True)
    custom_lineage_data: Any = inert()
    collect_tensor_freq: int | None = inert()
    max_file_size: int | None = inert()
    export_options: Any = inert()


@dataclass
class ProfileMonitor(Callback):
    """`ProfileMonitor`: MindSpore's profiler in MindFormers; nothing here."""

    has_effect: ClassVar[bool] = False
    start_step: int | None = None
    stop_step: int | None = None
    output_path: str | None = None
    start_profile: bool = True
    profile_communication: bool = False
    profile_memory: bool = True
    profiler_level: int | None = None
    with_stack: bool = False
    l2_cache: bool = False
    hccs: bool = False


@dataclass
class EvalCallBack(Callback):
    """`EvalCallBack`: evaluation during training in MindFormers; here `do_eval` and `eval_step_interval` do it."""

    has_effect: ClassVar[bool] = False
    eval_func: Any = None
    step_interval: int | None = None
    epoch_interval: int | None = None


Callback.variants = {
    "MFLossMonitor": LossMonitor,
    "CheckpointMointor": CheckpointMonitor,
    "CheckpointMonitor": CheckpointMonitor,
    "ObsMonitor": ObsMonitor,
    "SummaryMonitor": SummaryMonitor,
    "ProfileMonitor": ProfileMonitor,
    "EvalCallBack": EvalCallBack,
}
