"""`--run_mode tune_routers`: teach learned routers the choice of the activation router; nothing else is trained."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops

from mindformers.config import Recipe
from mindformers.core.optimizer import AdamW
from mindformers.core.schedule import Schedule
from mindformers.dataset.mindrecord import MindRecordBatches
from mindformers.experts.centres import expert_centres
from mindformers.modalities import MODALITIES
from mindformers.modules.router import ActivationRouter
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json
from mindformers.tools.logging import get_logger
from mindformers.tools.progress import Progress
from mindformers.trainer.build import build_network, config_with_routing
from mindformers.trainer.checkpoint import kept_metadata, load_weights, save_weights
from mindformers.trainer.data import evaluation_data, open_data
from mindformers.trainer.expert_probe import ActivationProbe, ExpertUse, real_tokens, watch_choices
from mindformers.trainer.start import begin, required_checkpoint

logger = get_logger(__name__)
PEAK_LR = 0.1
_CENTRE_BATCHES = 4


def tune_routers(recipe: Recipe, flags: argparse.Namespace) -> dict[str, Any]:
    """Make a checkpoint with learned routers from one without.

    Writes `--output` (a checkpoint for `routing: learned`) and beside it `*.report.json`: how many of the activation
    router's choices are found with random routers, with expert centres and after tuning, by modality, on
    `eval_dataset` where the recipe has one, else on the tuning data.

    Returns:
        What the report holds.
    """
    output = _checked_output(flags)
    required_checkpoint(recipe)
    begin(recipe)
    config = config_with_routing(recipe, "learned")
    data = open_data(recipe, config, flags.data, recipe.train_batch_size, shuffle=True)
    judge = _judge(recipe, config, data)
    net = build_network(recipe, config, random=False)
    source = load_weights(net, recipe.load_checkpoint, without_routers=True)
    report = {}
    set_random(net, recipe.seed)
    report["random"] = _measured("with random routers", watch_choices(net, config, judge, "judging random routers"))
    set_to_centres(net, config, data)
    report["centres"] = _measured("with expert centres", watch_choices(net, config, judge, "judging centres"))
    RouterTuning(net, config, recipe).run(data)
    report["tuned"] = _measured("tuned", watch_choices(net, config, judge, "judging tuned routers"))
    save_weights(net.get_parameters(), output, kept_metadata(source))
    write_json(output.with_suffix(".report.json"), report)
    logger.info("routers in %s; use them with --model.model_config.experts.routing learned", output)
    return report


def _judge(recipe: Recipe, config: Any, data: MindRecordBatches) -> MindRecordBatches:
    """Held-out data where the recipe's are there, else the tuning data, with a line that says so."""
    held_out = recipe.eval_dataset.data_loader.dataset_dir
    if held_out and (Path(held_out).exists() or Path(f"{held_out}0").exists()):
        return evaluation_data(recipe, config)
    logger.warning("eval_dataset: '%s' not found; the routers are judged on the data they are tuned on", held_out)
    return data


def set_random(net: Any, seed: int) -> None:
    """Random projections, the yardstick of the report."""
    for number, layer in enumerate(net.model.layers):
        weight = layer.feed_forward.router.weight
        values = np.random.default_rng([seed, number]).standard_normal(weight.shape, np.float32)
        weight.set_data(Tensor(values / np.sqrt(np.float32(weight.shape[1]))))


def set_to_centres(net: Any, config: Any, data: MindRecordBatches) -> None:
    """Projections from expert centres: the line nearest to the activation sums, for each modality's own inputs."""
    moments = _input_moments(net, config, data)
    labels = np.repeat(np.arange(config.experts.num_experts), config.ffn_size // config.experts.num_experts)
    with Progress("expert centres", config.num_layers, "layers") as progress:
        for layer, (mean, variance) in zip(net.model.layers, moments, strict=True):
            cell = layer.feed_forward
            weights = (cell.w1.weight.asnumpy(), cell.w3.weight.asnumpy(), labels, config.experts.num_experts)
            rows = [expert_centres(*weights, m, v) for m, v in zip(mean, variance, strict=True)]
            stacked = np.concatenate(rows)
            cell.router.weight.set_data(Tensor(stacked / max(float(np.abs(stacked).max()), 1e-9)))
            cell.router.bias.set_data(Tensor(np.zeros(cell.router.bias.shape, np.float32)))
            progress.update()


def _input_moments(net: Any, config: Any, data: MindRecordBatches) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per layer mean and variance [M, D] of the feed-forward's input; of all tokens for a modality that has none."""
    probe = ActivationProbe(net)
    shape = (config.num_layers, len(MODALITIES) + 1, config.hidden_size)
    first, second, counts = np.zeros(shape), np.zeros(shape), np.zeros(len(MODALITIES) + 1)
    for number, (ids, rows) in enumerate(real_tokens(data, config, "input of the layers")):
        if number == _CENTRE_BATCHES:
            break
        groups = [rows == row for row in range(len(MODALITIES))] + [rows >= 0]
        counts += [group.sum() for group in groups]
        for layer, (x, _) in enumerate(probe(Tensor(ids))):
            x = x.asnumpy().astype(np.float64)
            for row, group in enumerate(groups):
                first[layer, row] += x[group].sum(0)
                second[layer, row] += (x[group] ** 2).sum(0)
    used = np.where(counts[:-1] > 1, np.arange(len(MODALITIES)), len(MODALITIES))
    mean = first / np.maximum(counts, 1)[:, None]
    variance = np.maximum(second / np.maximum(counts, 1)[:, None] - mean**2, 0)
    return [(mean[layer, used], variance[layer, used]) for layer in range(config.num_layers)]


class Clearance(nn.Cell):
    """How far each expert's activation sum is from the limit between the k chosen ones and the others.

    The limit lies in the middle between the lowest sum that is chosen and the highest that is not.

    Args:
        num_experts: E.

    Inputs: sums float32 [T, E], k int32 [T, 1]. Returns: float32 [T, E], of mean 1 in each row; 0 where all are chosen.
    """

    def __init__(self, num_experts: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.top = ops.TopK(sorted=True)

    def construct(self, sums: Tensor, k: Tensor) -> Tensor:
        ranked, _ = self.top(sums, self.num_experts)
        lowest = ops.gather_elements(ranked, 1, k - 1)
        highest_left = ops.gather_elements(ranked, 1, ops.minimum(k, self.num_experts - 1))
        distance = ops.abs(sums - (lowest + highest_left) / 2)
        is_choice = ops.cast(k < self.num_experts, ms.float32)
        return is_choice * distance / ops.maximum(distance.mean(-1, True), 1e-9)


class RouterLoss(nn.Cell):
    """How badly every layer's router predicts the activation router, mean over layers and tokens.

    Binary cross entropy of each expert being chosen, where an expert counts by its clearance: taking the one just above
    the limit for the one just below it costs the layer little, to miss an expert far above it costs much.

    The network runs as under `learned`, by what the routers choose so far: a router sees the inputs that it will see
    when the ones before it make their mistakes. No gradient reaches anything but the routers.

    Inputs: ids int32 [B, S]; weights float32 [B * S], 0 for padding. Returns: float32 scalar.
    """

    def __init__(self, net: nn.Cell, num_experts: int) -> None:
        super().__init__(auto_prefix=False)
        self.model, self.exact, self.clearance = net.model, ActivationRouter(num_experts), Clearance(num_experts)

    def construct(self, ids: Tensor, weights: Tensor) -> Tensor:
        k, modality = self.model.routed_by(ids)
        k, modality = k.reshape(-1, 1), modality.reshape(-1)
        cos, sin = self.model.rotary(ids.shape[1], None)
        mask = self.model.causal_mask(ids)
        x = self.model.tok_embeddings(ids)
        total = ms.Tensor(0.0, ms.float32)
        for i in range(len(self.model.layers)):
            layer = self.model.layers[i]
            stream = layer.attended(x, cos, sin, mask)
            rows = ops.stop_gradient(layer.ffn_norm(stream).reshape(-1, stream.shape[-1]))
            h = layer.feed_forward.activations(rows)
            scores, sums = layer.feed_forward.router.scores(rows, modality), self.exact.scores(h)
            wanted = self.exact.choose(sums, k)
            total = total + self.distance(scores, wanted, self.clearance(sums, k), weights)
            chosen = self.exact.choose(ops.stop_gradient(scores), k)
            x = stream + layer.feed_forward.w2(layer.feed_forward.keep_experts(h, chosen)).reshape(stream.shape)
        return total / len(self.model.layers)

    def distance(self, scores: Tensor, wanted: Tensor, clearance: Tensor, weights: Tensor) -> Tensor:
        """Mean of (log(1 + exp(s)) - s t) c over experts and real tokens."""
        each = ops.relu(scores) + ops.log1p(ops.exp(-ops.abs(scores))) - scores * wanted
        return ((each * clearance).mean(-1) * weights).sum() / ops.maximum(weights.sum(), 1.0)


class TuningStep(nn.Cell):
    """Loss and update of the routers. Inputs: as `RouterLoss`, lr float32, powers float32 [2]. Returns: the loss."""

    def __init__(self, loss: RouterLoss, optimizer: AdamW) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.loss_and_gradients = ops.value_and_grad(loss, None, ParameterTuple(optimizer.weights))

    def construct(self, ids: Tensor, weights: Tensor, lr: Tensor, powers: Tensor) -> Tensor:
        loss, gradients = self.loss_and_gradients(ids, weights)
        self.optimizer(gradients, lr, powers, ms.Tensor(1.0, ms.float32))
        return loss


class RouterTuning:
    """The loop: `runner_config.epochs` passes over the data with a cosine rate.

    Args:
        net: a network with learned routing.
        config: its configuration.
        recipe: epochs and weight decay.
    """

    def __init__(self, net: Any, config: Any, recipe: Recipe) -> None:
        self.config, self.epochs = config, recipe.runner_config.epochs
        routers = [layer.feed_forward.router for layer in net.model.layers]
        weights = [parameter for router in routers for parameter in (router.weight, router.bias)]
        for parameter in weights:
            parameter.requires_grad = True
        self.optimizer = AdamW(weights, weight_decay=0.0)
        self.step = TuningStep(RouterLoss(net, config.experts.num_experts), self.optimizer)

    def run(self, data: MindRecordBatches) -> float:
        """Tune. Returns the mean loss of the last epoch."""
        total = self.epochs * data.num_batches
        schedule = Schedule("CosineWithWarmUpLR", PEAK_LR, PEAK_LR / 100, 0.0, max(total // 50, 1), total)
        done, mean = 0, 0.0
        for epoch in range(self.epochs):
            losses = []
            title = f"tuning routers, epoch {epoch + 1}/{self.epochs}"
            for ids, rows in real_tokens(data, self.config, title, epoch):
                weights = Tensor((rows >= 0).astype(np.float32))
                lr, powers = Tensor(schedule(done), ms.float32), self.optimizer.powers_at(done + 1)
                losses.append(float(self.step(Tensor(ids), weights, lr, powers).asnumpy()))
                done += 1
            mean = float(np.mean(losses))
            logger.info("epoch %d/%d: router loss %.4f", epoch + 1, self.epochs, mean)
        return mean


def _measured(what: str, use: ExpertUse) -> dict[str, Any]:
    agreement, balance = use.agreement(), use.balance()
    shown = ", ".join(f"{name} {100 * share:.1f} %" for name, share in agreement.items())
    logger.info("choices of the activation router found %s: %s", what, shown)
    logger.info("balance %s: %s", what, ", ".join(f"{name} {value:.3f}" for name, value in balance.items()))
    return {"agreement": agreement, "balance": balance}


def _checked_output(flags: argparse.Namespace) -> Path:
    if not flags.data:
        raise InputError("--data", "not given", "a MindRecord file of domain data", "pass --data F.mindrecord")
    if not flags.output or Path(flags.output).suffix != ".safetensors":
        got = f"'{flags.output}'" if flags.output else "not given"
        raise InputError("--output", got, "a name that ends in .safetensors", "pass --output CKPT2.safetensors")
    return Path(flags.output)
