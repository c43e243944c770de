"""A plan as text."""

from __future__ import annotations

from mindformers.models.footprint import CPU
from mindformers.trainer.planning.memory import GB, Layout
from mindformers.trainer.planning.plan import CARDS, Plan
from mindformers.trainer.planning.search import Candidate, best

_TERMS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer states",
    "held_gradients": "sums over micro batches",
    "activations": "activations",
    "working": "one layer's backward pass",
    "logits_and_loss": "logits and loss",
    "update": "largest weight's update",
    "overhead": "constant overhead",
    "peak": "at most at one time",
}


def text_of(plan: Plan) -> str:
    """The whole table."""
    network, count = plan.network, plan.num_devices
    share = network.num_trained / network.num_parameters
    blocks = [
        [
            f"{plan.recipe.name} on {count} x {plan.device}",
            f"{network.num_parameters:,} parameters, {network.num_trained:,} trained ({share:.2%})",
        ],
        [f"training: {described(plan.shown.layout)}", *_memory_lines(plan), *_speed_lines(plan)],
        [f"every split of {count} devices" if count > 1 else "on one device", *_split_lines(plan)],
        ["what fits", *_card_lines(plan)],
        ["prediction", _prediction_line(plan)],
        _verdict(plan),
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def described(layout: Layout) -> str:
    """A layout in words."""
    words = [f"data {layout.data} x tensor {layout.tensor}", f"{layout.rows} rows a device"]
    words += [f"{layout.micro_batches} micro batches"] if layout.micro_batches > 1 else []
    words += ["optimizer states shared"] if layout.shards_optimizer else []
    words += ["recompute"] if layout.recompute else []
    return ", ".join(words)


def gigabytes(value: float) -> str:
    """Bytes as text."""
    return f"{value / GB:.2f} GB"


def _memory_lines(plan: Plan) -> list[str]:
    both = plan.memory(False), plan.memory(True)
    lines = [f"  {'per device':<26}{'kept':>12}{'recompute':>14}"]
    for name, words in _TERMS.items():
        plain, again = (getattr(memory, name) for memory in both)
        if plain or again:
            lines.append(f"  {words:<26}{gigabytes(plain):>12}{gigabytes(again):>14}")
    if plan.device == CPU:
        return [*lines, "  (a CPU keeps everything until the step ends; recompute frees nothing there)"]
    return [*lines, "  (gradients come while activations go, so the larger of the two counts)"]


def _speed_lines(plan: Plan) -> list[str]:
    speed = plan.speed
    lines = [
        f"  {speed.tokens_per_step:,} tokens a step in about {speed.seconds_per_step:.3g} s: "
        f"{speed.tokens_per_second:,.0f} tokens/s",
        f"  assumed: {speed.mfu:.0%} (MFU) of {speed.peak_tflops:g} TFLOPS a device (context.peak_tflops); "
        "communication is not counted",
    ]
    if speed.steps is None:
        return [*lines, "  the training data are not here: the length of the run is not known"]
    hours = speed.steps * speed.seconds_per_step / 3600
    return [*lines, f"  the whole run: {speed.steps:,} steps, about {hours:,.2f} h"]


def _split_lines(plan: Plan) -> list[str]:
    lines = []
    for candidate in plan.found:
        verdict = "" if plan.limit is None else "   fits" if candidate.fits(plan.limit) else "   too much"
        lines.append(f"  {described(candidate.layout):<70}{gigabytes(candidate.memory.peak):>12}{verdict}")
    return lines


def _card_lines(plan: Plan) -> list[str]:
    lines = []
    for size in CARDS:
        fitting = best(plan.found, size * GB)
        lines.append(f"  {size} GB: {_told(fitting) if fitting else 'no split of these devices'}")
    return lines


def _prediction_line(plan: Plan) -> str:
    memory = plan.prediction
    cache = gigabytes(memory.cache) if memory.cache else "none, as use_past is False"
    return (
        f"  {memory.rows} x {memory.length} tokens on one device: weights {gigabytes(memory.weights)}, "
        f"KV cache {cache}, at most {gigabytes(memory.peak)}"
    )


def _verdict(plan: Plan) -> list[str]:
    """The answer to the question whether it fits, and where to."""
    own = [] if plan.own is None else [f"as the recipe says: {_told(plan.own)}{_judged(plan, plan.own)}"]
    if plan.limit is None:
        return own or [f"least memory: {_told(plan.shown)}"]
    where = f"{plan.num_devices} x {gigabytes(plan.limit)}"
    if plan.chosen is not None:
        return [*own, f"fits on {where}, best split: {_told(plan.chosen)}"]
    lines = [*own, f"does NOT fit on {where}: the least is {_told(plan.shown)}"]
    if plan.close is None:
        return [*lines, "nothing near would fit: take devices with more memory or shorter sequences"]
    return [*lines, f"nearest that fits: {plan.close.layout.num_devices} devices, {_told(plan.close)}"]


def _judged(plan: Plan, candidate: Candidate) -> str:
    if plan.limit is None:
        return ""
    return ", fits" if candidate.fits(plan.limit) else ", too much"


def _told(candidate: Candidate) -> str:
    return f"{described(candidate.layout)}: {gigabytes(candidate.memory.peak)}"
