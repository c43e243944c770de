"""What a LLaMA weighs. An accelerator is counted from the graph, a CPU by what was measured on it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mindformers.modalities import MODALITIES
from mindformers.models.decoder_footprint import CpuTerms, DecoderFootprint
from mindformers.models.footprint import Weight
from mindformers.models.llama.cutting import cuts_of
from mindformers.models.llama.names import EMBEDDING, weight_shapes
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

# Measured (tests/data/cpu_peaks.json), with native operators and without; neurons by routing. An addition whose inputs
# are not thinned was measured without them alone: with them the ratio of both is taken to be the same.
_NEURONS = {
    True: {"none": 0.29, "activation": 0.29, "learned": 0.29},
    False: {"none": 6.6, "activation": 10.1, "learned": 11.2},
}
_TERMS = {
    True: {"stream": 6.2, "keys": 4.8, "scores": 0.88, "logits": 0.7, "adapter": 10.9, "adapter_dropout": 22.5},
    False: {"stream": 77.6, "keys": 23.7, "scores": 9.7, "logits": 2.3, "adapter": 5.0, "adapter_dropout": 10.3},
}


@MindFormerRegister.register(MindFormerModuleType.FOOTPRINT, "LlamaConfig")
class LlamaFootprint(DecoderFootprint):
    """The footprint of a `LlamaForCausalLM`; arguments as `DecoderFootprint`."""

    def weights(self) -> Mapping[str, Weight]:
        """Name -> weight, of the whole network."""
        config, cuts = self.config, cuts_of(self.config)
        found = {}
        for name, shape in weight_shapes(config).items():
            axis = next((cut.axis for pattern, cut in cuts.items() if re.fullmatch(pattern, name)), None)
            is_product = len(shape) > 1 and (name != EMBEDDING or config.tie_word_embeddings)
            found[name] = Weight(shape, axis, self.param_dtype, is_product=is_product)
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

    @property
    def key_width(self) -> int:
        """Numbers of a token's keys in a layer."""
        return self.config.num_kv_heads * self.config.head_dim

    @property
    def kept_neurons(self) -> int:
        """Both products, the gate and their product; with experts also the spread mask and the masked product."""
        return 6 if self.config.is_routed else 4

    @property
    def cpu_terms(self) -> CpuTerms:
        """What was measured on a CPU."""
        routing = self.config.experts.routing if self.config.experts is not None else "none"
        return CpuTerms(neurons=_NEURONS[self.has_kernels][routing], **_TERMS[self.has_kernels])
