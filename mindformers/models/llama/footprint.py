"""What a LLaMA weighs. An accelerator is counted from the graph, a CPU by what was measured on it.

On an accelerator a result lives until its last reader: a layer keeps what its backward pass reads. MindSpore's executor
on a CPU does not give back what operators around a transposition, a softmax or a mean held, so there nearly every
result of norms and attention counts, forward and backward, until the step ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from mindformers.modalities import MODALITIES
from mindformers.models.footprint import BYTES, CPU, Activations, Batch, Weight
from mindformers.models.llama.cutting import obstacle
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.names import weight_shapes
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

_CUTS = {"wq": 0, "wk": 0, "wv": 0, "wo": 1, "w1": 0, "w3": 0, "w2": 1, "tok_embeddings": 0, "lm_head": 0}
# Float32 numbers that a training step on a CPU holds, by least squares over measured peaks (tests/data/cpu_peaks.json):
# per layer and number of T D, of T times the width of keys, of B H S^2, and of T F by routing; and of T V in all.
_CPU_STREAM, _CPU_KEYS, _CPU_SCORES, _CPU_LOGITS = 77.6, 23.7, 9.7, 2.3
_CPU_NEURONS = {("none", True): 6.6, ("activation", True): 5.0, ("learned", True): 6.0}
_CPU_NEURONS |= {("none", False): 6.6, ("activation", False): 10.1, ("learned", False): 11.2}
_CPU_ADAPTER, _CPU_ADAPTER_DROPOUT = 5.0, 10.3


@MindFormerRegister.register(MindFormerModuleType.FOOTPRINT, "LlamaConfig")
class LlamaFootprint:
    """The footprint of a `LlamaForCausalLM`.

    Args:
        config: its configuration.
        device: kind of device; a CPU holds and computes everything in float32.
        has_kernels: whether routed layers run as native operators on a CPU.
    """

    def __init__(self, config: LlamaConfig, device: str, has_kernels: bool = True) -> None:
        self.config, self.is_cpu, self.has_kernels = config, device == CPU, has_kernels
        self.compute = self._bytes(config.compute_dtype)
        self.norm, self.softmax = self._bytes(config.layernorm_compute_type), self._bytes(config.softmax_compute_type)
        self.param_dtype = "float32" if self.is_cpu else config.param_init_type

    def _bytes(self, dtype: str) -> int:
        return BYTES["float32" if self.is_cpu else dtype]

    def weights(self) -> Mapping[str, Weight]:
        """Name -> weight, of the whole network."""
        shapes, config = weight_shapes(self.config), self.config
        found = {}
        for name, shape in shapes.items():
            cell = name.split(".")[-2]
            is_product = len(shape) > 1 and (cell != "tok_embeddings" or config.tie_word_embeddings)
            found[name] = Weight(shape, _CUTS.get(cell), self.param_dtype, is_product=is_product)
        return found | self._routers()

    def _routers(self) -> dict[str, Weight]:
        config = self.config
        if not config.is_routed or config.experts.routing != "learned":
            return {}
        rows, is_trained = len(MODALITIES) * config.experts.num_experts, config.experts.train_router
        found = {}
        for layer in range(config.num_layers):
            prefix = f"model.layers.{layer}.feed_forward.router."
            shape = (rows, config.hidden_size)
            found[prefix + "weight"] = Weight(shape, is_trained=is_trained, is_product=True)
            found[prefix + "bias"] = Weight((rows,), is_trained=is_trained)
        return found

    def obstacle(self, parts: int) -> str:
        """What was expected in place of so many tensor-parallel parts; empty where they fit."""
        return obstacle(self.config, parts)

    def activations(self, batch: Batch) -> Activations:
        """What a training step holds."""
        return self._on_cpu(batch) if self.is_cpu else self._on_accelerator(batch)

    def _on_cpu(self, batch: Batch) -> Activations:
        config, tokens, parts = self.config, batch.tokens, batch.parts
        routing = config.experts.routing if config.experts is not None else "none"
        width, keys = config.hidden_size, config.num_kv_heads * config.head_dim
        numbers = tokens * (_CPU_STREAM * width + _CPU_KEYS * keys / parts)
        numbers += tokens * _CPU_NEURONS[routing, self.has_kernels] * config.ffn_size / parts
        numbers += _CPU_SCORES * self._scores(batch)
        kept = 4.0 * config.num_layers * numbers
        return Activations(kept, kept, 0.0, 4.0 * _CPU_LOGITS * tokens * config.vocab_size / parts)

    def _on_accelerator(self, batch: Batch) -> Activations:
        """As the graph stands. A norm keeps its input and its normalised form in its own type, and its result; the
        attention its scaled queries, keys, values, shares and what is mixed; the feed-forward both products, the gate
        and their product, with experts also the spread mask and the masked product."""
        config, tokens, compute = self.config, batch.tokens, self.compute
        scores, width = self._scores(batch), config.hidden_size / batch.parts
        keys = config.num_kv_heads * config.head_dim / batch.parts
        norm = config.hidden_size * (2 * self.norm + compute)
        neurons = (6 if config.is_routed else 4) * compute * config.ffn_size / batch.parts
        shares = self.softmax if self.softmax == self.compute else self.softmax + self.compute
        stream = 2 * compute * config.hidden_size
        kept = tokens * (2 * norm + stream + compute * (2 * width + 2 * keys) + neurons) + scores * shares
        working = max(3 * self.softmax * scores, tokens * neurons)
        logits = tokens * config.vocab_size / batch.parts * (2 * compute + 4 * BYTES["float32"])
        inputs = tokens * compute * config.hidden_size
        layers = config.num_layers
        return Activations(layers * kept, layers * inputs + kept, working, logits)

    def _scores(self, batch: Batch) -> float:
        return batch.rows * batch.length**2 * self.config.num_heads / batch.parts

    def adapter(self, batch: Batch, num_cells: int, has_dropout: bool) -> float:
        """Bytes that low-rank additions to so many linear layers hold: their inputs, thinned, and what comes of it."""
        numbers = batch.tokens * self.config.hidden_size * num_cells
        if self.is_cpu:
            return 4.0 * numbers * (_CPU_ADAPTER_DROPOUT if has_dropout else _CPU_ADAPTER)
        return numbers * (2.0 * self.compute if has_dropout else self.compute)

    def prediction(self, batch: Batch) -> tuple[float, float]:
        """Bytes of the cache of keys and values, and of the prefill of one layer with its logits beside it."""
        config, tokens = self.config, batch.tokens
        keys = config.num_kv_heads * config.head_dim / batch.parts
        cache = 2.0 * config.num_layers * tokens * keys * self.compute
        scores = 2.0 * self._scores(batch) * self.softmax
        neurons = 4.0 * tokens * config.ffn_size / batch.parts * self.compute
        prefill = max(scores, neurons) + 4.0 * tokens * config.hidden_size * self.norm
        return cache, prefill + 4.0 * batch.rows * config.vocab_size

    def attention_flops(self) -> float:
        """12 L S D for a token (Chowdhery et al. 2022, appendix B)."""
        return 12.0 * self.config.num_layers * self.config.seq_length * self.config.hidden_size
