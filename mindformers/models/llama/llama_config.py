"""LLaMA's configuration under MindFormers' names, with a block for experts beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mindformers.config.decode import decode
from mindformers.config.inert import inert
from mindformers.modalities import MODALITIES, modality_of_ids
from mindformers.modalities.vocabulary import SEQUENCE_MODALITIES, ModalityVocabulary
from mindformers.models.decoder_config import DecoderConfig, wrong_key
from mindformers.tools.errors import unknown_name
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

DRAFTS = ("auto", "none", "int8")
ROUTINGS = ("none", "activation", "learned")


@dataclass
class ExpertsConfig:
    """How the feed-forward's neurons are split and used.

    Args:
        num_experts: E, equal parts of the F neurons.
        routing: `none` computes every expert, `activation` keeps the k with the highest activation sum, `learned` the
            k that a small projection of the layer's input names, and nothing of the others is computed.
        top_k: experts a token of each modality may use; a modality left out has its default.
        modalities: the modalities that have tokens of their own, in the table's order.
        train_router: whether the projections of `learned` are trained with the model; else they stay as tuned.
    """

    num_experts: int = 16
    routing: str = "activation"
    top_k: dict[str, int] = field(default_factory=dict)
    modalities: list[str] = field(default_factory=lambda: list(SEQUENCE_MODALITIES))
    train_router: bool = False

    def experts_of_rows(self) -> list[int]:
        """k of every row of the table of modalities, in its order."""
        return [min(self.top_k.get(row.name, row.top_k), self.num_experts) for row in MODALITIES]


@MindFormerRegister.register(MindFormerModuleType.CONFIG)
@dataclass
class LlamaConfig(DecoderConfig):
    """Shape and arithmetic of a LLaMA.

    Lengths are in tokens. `n_kv_heads` None means as many as `num_heads`. `intermediate_size` None follows from
    `multiple_of` and `ffn_dim_multiplier` as in LLaMA. `base_vocab_size` is the id of the first modality token; None
    means that the modality tokens are the last ones. `use_past` False generates without a cache: slow, same answers.
    `draft`: whether tokens are guessed with a copy of the weights in int8 and then checked, which changes nothing but
    the time: `none`, `int8`, or `auto` for int8 where the weights are far larger than the processor's cache.
    """

    type: str = "LlamaConfig"
    num_layers: int = 32
    n_kv_heads: int | None = None
    vocab_size: int = 32000
    base_vocab_size: int | None = None
    multiple_of: int = 256
    ffn_dim_multiplier: float | None = None
    intermediate_size: int | None = None
    rms_norm_eps: float = 1e-5
    bos_token_id: int = 1
    eos_token_id: int = 2
    pad_token_id: int = 0
    rotary_dtype: str = "float32"
    param_init_type: str = "float32"
    pretrain_seqlen: int = 2048
    extend_method: str = "None"
    scaling_factor: float = 1.0
    theta: float = 10000.0
    tie_word_embeddings: bool = False
    use_flash_attention: bool = False
    offset: int | list[int] = 0
    experts: ExpertsConfig | None = None
    max_decode_length: int = 512
    top_p: float = 1.0
    temperature: float = 1.0
    draft: str = "auto"
    max_position_embedding: int | None = inert(None)
    compute_in_2d: bool = inert(False)
    use_past_shard: bool = inert(False)
    is_dynamic: bool = inert(False)
    is_flexible_shape: bool = inert(False)
    use_kvcache_op: bool = inert(False)
    use_rope_slice: bool = inert(False)
    use_paged_attention: bool = inert(False)
    block_size: int = inert(16)
    num_blocks: int = inert(512)
    parallel_optimizer: bool = inert(False)
    qkv_concat: bool = inert(False)

    def __post_init__(self) -> None:
        if isinstance(self.experts, dict):
            self.experts = decode(ExpertsConfig, self.experts, "model.model_config.experts")
        self.validate()

    @property
    def num_kv_heads(self) -> int:
        """G, heads of keys and values."""
        return self.n_kv_heads or self.num_heads

    @property
    def ffn_size(self) -> int:
        """F: as given, or 2/3 of 4 D, times the multiplier, rounded up to `multiple_of` (LLaMA's rule)."""
        if self.intermediate_size is not None:
            return self.intermediate_size
        width = int(8 * self.hidden_size / 3)
        if self.ffn_dim_multiplier is not None:
            width = int(self.ffn_dim_multiplier * width)
        return self.multiple_of * ((width + self.multiple_of - 1) // self.multiple_of)

    @property
    def is_routed(self) -> bool:
        """Whether tokens are kept from some experts."""
        return self.experts is not None and self.experts.routing != "none"

    @property
    def first_modality_id(self) -> int:
        """The id of the first modality token; V where there is none."""
        if self.base_vocab_size is not None:
            return self.base_vocab_size
        return self.vocab_size - len(ModalityVocabulary(0, self.modalities))

    @property
    def modalities(self) -> list[str]:
        """The modalities that have tokens of their own."""
        if self.experts is not None:
            return self.experts.modalities
        return list(SEQUENCE_MODALITIES) if self.base_vocab_size is not None else []

    def modality_table(self) -> np.ndarray:
        """int32 [V]: for every id the row number of its modality (0 is text)."""
        return modality_of_ids(self.vocab_size, self.first_modality_id, self.modalities)

    def experts_per_token(self) -> np.ndarray:
        """int32 [V]: how many experts a token with this id may use."""
        return np.asarray(self.experts.experts_of_rows(), np.int32)[self.modality_table()]

    def count_parameters(self) -> int:
        """Number of weights, without building any."""
        attention = self.hidden_size * (2 * self.hidden_size + 2 * self.num_kv_heads * self.head_dim)
        layer = attention + 3 * self.hidden_size * self.ffn_size + 2 * self.hidden_size
        embeddings = self.vocab_size * self.hidden_size * (1 if self.tie_word_embeddings else 2)
        return embeddings + self.num_layers * layer + self.hidden_size

    def validate(self) -> None:
        """Raises InputError where keys contradict each other."""
        self._validate_sizes()
        if self.draft not in DRAFTS:
            raise unknown_name("model.model_config.draft", self.draft, DRAFTS)
        if self.experts is not None:
            self._validate_experts(self.experts)

    def _validate_sizes(self) -> None:
        self.check_counts("seq_length", "hidden_size", "num_layers", "num_heads", "vocab_size", "multiple_of")
        if self.hidden_size % self.num_heads or self.head_dim % 2:
            got = f"{self.num_heads} for hidden_size {self.hidden_size}"
            raise wrong_key("num_heads", got, "an even head dimension")
        if self.num_heads % self.num_kv_heads:
            raise wrong_key("n_kv_heads", str(self.n_kv_heads), f"a divisor of num_heads {self.num_heads}")
        if not 0 <= self.first_modality_id <= self.vocab_size:
            expected = "room for the modality tokens behind the base vocabulary"
            raise wrong_key("vocab_size", str(self.vocab_size), expected)

    def _validate_experts(self, experts: ExpertsConfig) -> None:
        if experts.routing not in ROUTINGS:
            raise unknown_name("model.model_config.experts.routing", experts.routing, ROUTINGS)
        if experts.num_experts < 1 or self.ffn_size % experts.num_experts:
            expected = f"a divisor of the feed-forward's {self.ffn_size} neurons"
            raise wrong_key("experts.num_experts", str(experts.num_experts), expected)
        names = [row.name for row in MODALITIES]
        for name, k in experts.top_k.items():
            if name not in names:
                raise unknown_name("model.model_config.experts.top_k", name, names)
            if not 1 <= k <= experts.num_experts:
                raise wrong_key(f"experts.top_k.{name}", str(k), f"1 to num_experts {experts.num_experts}")

    def to_dict(self) -> dict[str, Any]:
        """All keys that have an effect, as plain values."""
        live = super().to_dict()
        if self.experts is not None:
            live["experts"] = dict(vars(self.experts))
        return live
