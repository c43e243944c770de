"""What a ChatGLM weighs. An accelerator is counted from the graph, a CPU by what was measured on it."""

from __future__ import annotations

from collections.abc import Mapping

from mindformers.models.decoder_footprint import CpuTerms, DecoderFootprint
from mindformers.models.footprint import Weight
from mindformers.models.glm.names import weight_shapes
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

# Measured (tests/data/cpu_peaks.json), with native operators and without; keys are as wide as the stream and in it.
_TERMS = {
    True: CpuTerms(75.2, 0.0, 9.76, 5.86, 1.41, adapter=3.7, adapter_dropout=14.4),
    False: CpuTerms(82.2, 0.0, 10.3, 7.4, 2.85, adapter=1.7, adapter_dropout=11.3),
}


@MindFormerRegister.register(MindFormerModuleType.FOOTPRINT, "GLMConfig")
class GLMFootprint(DecoderFootprint):
    """The footprint of a `GLMForPreTraining`; arguments as `DecoderFootprint`."""

    def weights(self) -> Mapping[str, Weight]:
        """Name -> weight, of the whole network; the word table is its head as well."""
        shapes = weight_shapes(self.config).items()
        return {name: Weight(shape, None, self.param_dtype, is_product=len(shape) > 1) for name, shape in shapes}

    @property
    def kept_neurons(self) -> int:
        """The product and what GELU makes of it."""
        return 2

    @property
    def cpu_terms(self) -> CpuTerms:
        """What was measured on a CPU."""
        return _TERMS[self.has_kernels]
