"""What the footprints of decoders share: how their activations follow from a few widths.

On an accelerator a result lives until its last reader: a layer keeps what its backward pass reads. MindSpore's executor
on a CPU does not give back what operators around a transposition, a softmax or a mean held, so there nearly every
result of norms and attention counts, forward and backward, until the step ends; native operators hold little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mindformers.models.footprint import BYTES, CPU, Activations, Batch, Weight


@dataclass(frozen=True)
class CpuTerms:
    """Float32 numbers that a training step on a CPU holds, by least squares over measured peaks.

    Args:
        stream: for each of T D, in every layer.
        keys: for each of T times the width of keys, in every layer.
        scores: for each of B H S^2, in every layer.
        neurons: for each of T F, in every layer.
        logits: for each of T V, once.
        adapter: for each of T D, in every linear layer with an addition.
        adapter_dropout: the same where the addition's inputs are thinned.
    """

    stream: float
    keys: float
    scores: float
    neurons: float
    logits: float
    adapter: float
    adapter_dropout: float


class DecoderFootprint:
    """The part of a `Footprint` that decoders of all families share; a family adds `weights` and the measured terms.

    Args:
        config: the network's configuration.
        device: kind of device; a CPU holds and computes everything in float32.
        has_kernels: whether a CPU has the native operators.
    """

    def __init__(self, config: Any, device: str, has_kernels: bool = True) -> None:
        self.config, self.is_cpu, self.has_kernels = config, device == CPU, has_kernels
        self.compute = self._bytes(config.compute_dtype)
        self.norm, self.softmax = self._bytes(config.layernorm_compute_type), self._bytes(config.softmax_compute_type)
        self.param_dtype = "float32" if self.is_cpu else config.param_init_type

    def _bytes(self, dtype: str) -> int:
        return BYTES["float32" if self.is_cpu else dtype]

    def weights(self) -> Mapping[str, Weight]:
        """Name -> weight, of the whole network."""
        raise NotImplementedError

    @property
    def key_width(self) -> int:
        """Numbers of a token's keys in a layer."""
        return self.config.hidden_size

    @property
    def kept_neurons(self) -> int:
        """Results of a feed-forward, F wide, that an accelerator keeps for the backward pass."""
        raise NotImplementedError

    @property
    def cpu_terms(self) -> CpuTerms:
        """What was measured on a CPU."""
        raise NotImplementedError

    def activations(self, batch: Batch) -> Activations:
        """What a training step holds."""
        return self._on_cpu(batch) if self.is_cpu else self._on_accelerator(batch)

    def _on_cpu(self, batch: Batch) -> Activations:
        config, tokens, parts, terms = self.config, batch.tokens, batch.parts, self.cpu_terms
        numbers = tokens * (terms.stream * config.hidden_size + terms.keys * self.key_width / parts)
        numbers += tokens * terms.neurons * config.ffn_size / parts + terms.scores * self._scores(batch)
        kept = 4.0 * config.num_layers * numbers
        return Activations(kept, kept, 0.0, 4.0 * terms.logits * tokens * config.vocab_size / parts)

    def _on_accelerator(self, batch: Batch) -> Activations:
        """As the graph stands. A norm keeps its input and its normalised form in its own type, and its result; the
        attention its scaled queries, keys, values, shares and what is mixed; the feed-forward `kept_neurons`."""
        config, tokens, compute = self.config, batch.tokens, self.compute
        scores, width = self._scores(batch), config.hidden_size / batch.parts
        norm = config.hidden_size * (2 * self.norm + compute)
        neurons = self.kept_neurons * compute * config.ffn_size / batch.parts
        shares = self.softmax if self.softmax == self.compute else self.softmax + self.compute
        stream, keys = 2 * compute * config.hidden_size, self.key_width / batch.parts
        kept = tokens * (2 * norm + stream + compute * (2 * width + 2 * keys) + neurons) + scores * shares
        working = max(3 * self.softmax * scores, tokens * neurons)
        logits = tokens * config.vocab_size / batch.parts * (2 * compute + 4 * BYTES["float32"])
        inputs, layers = tokens * compute * config.hidden_size, config.num_layers
        return Activations(layers * kept, layers * inputs + kept, working, logits)

    def _scores(self, batch: Batch) -> float:
        return batch.rows * batch.length**2 * self.config.num_heads / batch.parts

    def adapter(self, batch: Batch, num_cells: int, has_dropout: bool) -> float:
        """Bytes that low-rank additions to so many linear layers hold: their inputs, thinned, and what comes of it."""
        numbers = batch.tokens * self.config.hidden_size * num_cells
        if self.is_cpu:
            return 4.0 * numbers * (self.cpu_terms.adapter_dropout if has_dropout else self.cpu_terms.adapter)
        return numbers * (2.0 * self.compute if has_dropout else self.compute)

    def prediction(self, batch: Batch) -> tuple[float, float]:
        """Bytes of the cache of keys and values, and of the prefill of one layer with its logits beside it."""
        config, tokens = self.config, batch.tokens
        cache = 2.0 * config.num_layers * tokens * self.key_width / batch.parts * self.compute
        scores = 2.0 * self._scores(batch) * self.softmax
        neurons = 4.0 * tokens * config.ffn_size / batch.parts * self.compute
        prefill = max(scores, neurons) + 4.0 * tokens * config.hidden_size * self.norm
        return cache, prefill + 4.0 * batch.rows * config.vocab_size

    def attention_flops(self) -> float:
        """12 L S D for a token (Chowdhery et al. 2022, appendix B)."""
        return 12.0 * self.config.num_layers * self.config.seq_length * self.config.hidden_size
