"""How a run is spread over devices, and which results are computed twice to save memory."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mindformers.config.inert import inert


@dataclass
class ParallelOptimizerConfig:
    """`parallel.parallel_optimizer_config`.

    Args:
        gradient_accumulation_shard: whether accumulated gradients are split over the data-parallel devices.
        parallel_optimizer_threshold: parameters smaller than this are not split, KiB.
        optimizer_weight_shard_size: devices that share one copy of the optimizer state; -1 means all.
    """

    gradient_accumulation_shard: bool = False
    parallel_optimizer_threshold: int = 64
    optimizer_weight_shard_size: int = -1


@dataclass
class ParallelContext:
    """`parallel`: MindSpore's parallel context.

    Args:
        parallel_mode: 0 data, 1 semi-auto, 2 auto, 3 hybrid parallel, or MindSpore's name of it.
        gradients_mean: whether gradients are averaged over the devices rather than summed.
        enable_parallel_optimizer: whether the optimizer state is split over the data-parallel devices.
        parallel_optimizer_config: how it is split.
        dataset_strategy: how a batch is split.
    """

    parallel_mode: int | str = 0
    gradients_mean: bool = False
    enable_parallel_optimizer: bool = False
    parallel_optimizer_config: ParallelOptimizerConfig = field(default_factory=ParallelOptimizerConfig)
    dataset_strategy: str | list[Any] | None = None
    enable_alltoall: bool = inert(False)
    full_batch: bool = inert(False)
    search_mode: str = inert("")
    auto_parallel_search_mode: str = inert("")
    loss_repeated_mean: bool = inert(True)
    gradient_fp32_sync: bool = inert(True)
    parameter_broadcast: bool = inert(False)
    strategy_ckpt_save_file: str = inert("")
    strategy_ckpt_load_file: str = inert("")
    strategy_ckpt_config: dict[str, Any] = inert({})
    group_ckpt_save_file: str = inert("")
    pipeline_config: dict[str, Any] = inert({})
    all_reduce_fusion_config: list[int] | None = inert()
    comm_fusion: dict[str, Any] = inert({})
    communi_parallel_mode: str = inert("")
    grad_accumulation_step: int | None = inert()
    device_num: int | None = inert()
    global_rank: int | None = inert()


@dataclass
class ParallelConfig:
    """`parallel_config`: the product of the first four is the number of devices.

    Args:
        data_parallel: copies of the model, each with a share of the batch.
        model_parallel: devices that share every weight matrix.
        pipeline_stage: groups of consecutive layers.
        context_parallel: devices that share a sequence.
        expert_parallel: devices that share the experts.
        micro_batch_num: parts of a batch that are in the pipeline at once.
        optimizer_shard: devices that share the optimizer state; True means all data-parallel ones.
        use_seq_parallel: whether norms are split along the sequence over the model-parallel devices.
    """

    data_parallel: int = 1
    model_parallel: int = 1
    pipeline_stage: int = 1
    context_parallel: int = 1
    expert_parallel: int = 1
    micro_batch_num: int = 1
    optimizer_shard: bool | int | None = None
    use_seq_parallel: bool = False
    vocab_emb_dp: bool = inert(True)
    gradient_aggregation_group: int = inert(4)
    mem_coeff: float | None = inert()


@dataclass
class RecomputeConfig:
    """`recompute_config`: trade time for memory in the backward pass.

    Args:
        recompute: whether every layer computes its activations again. A list names how many layers of each stage do.
        select_recompute: the same for attention alone.
        parallel_optimizer_comm_recompute: whether gathering of split parameters is repeated.
        mp_comm_recompute: whether communication of model parallelism is repeated.
        recompute_slice_activation: whether the kept activations are split over the model-parallel devices.
    """

    recompute: bool | list[int] = False
    select_recompute: bool | list[Any] = False
    parallel_optimizer_comm_recompute: bool = False
    mp_comm_recompute: bool = False
    recompute_slice_activation: bool = False


@dataclass
class MoeConfig:
    """`moe_config`: MindFormers' experts, whole feed-forward layers; ours are `model.model_config.experts`."""

    expert_num: int = 1
    num_experts_chosen: int = 1
    capacity_factor: float = 1.1
    aux_loss_factor: float = 0.05
    routing_policy: str | None = None
    expert_group_size: int | None = None
    group_wise_a2a: bool = False
    comp_comm_parallel: bool = False
    comp_comm_parallel_degree: int = 2
    save_token_distribution: bool = False
    cur_layer: int = 0
    enable_cold_hot_expert: bool = False
    update_step: int = 10000
    hot_expert_num: int = 0
    cold_token_percent: float = 1.0
    moe_module_name: str = ""
    enable_sdrop: bool = False
