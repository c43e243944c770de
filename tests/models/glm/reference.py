"""ChatGLM in NumPy, straight from its rules: slow, one row at a time, and nothing shared with the network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mindformers.models.glm.glm_config import GLMConfig

Weights = Mapping[str, np.ndarray]
SIZES = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "seq_length": 48, "vocab_size": 80}
IDS = {"bos_token_id": 74, "eos_token_id": 75, "mask_token_id": 70, "gmask_token_id": 71, "pad_token_id": 3}
FLOATS = {"compute_dtype": "float32", "param_init_type": "float32"}


def small_config(**changes: object) -> GLMConfig:
    """Two layers of two heads, 80 ids."""
    return GLMConfig(**{**SIZES, **IDS, **FLOATS, **changes})


def random_weights(config: GLMConfig, seed: int = 0, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Published name -> float32 values, large enough that every rule shows; the head is the word table.

    A larger `scale` of the layers makes the next token depend more on those before it.
    """
    from mindformers.models.glm.names import HEAD, THEIR_EMBEDDING, their_name, weight_shapes

    generator = np.random.default_rng(seed)
    weights = {}
    for name, shape in weight_shapes(config).items():
        values = generator.normal(0, 0.3 if len(shape) > 1 else 0.2, shape)
        values *= scale if ".attention." in name or ".mlp." in name else 1.0
        values += 1.0 if "layernorm.weight" in name else 0.0
        weights[their_name(name)] = values.astype(np.float32)
    return weights | {HEAD: weights[THEIR_EMBEDDING].copy()}


def logits(weights: Weights, config: GLMConfig, ids: list[int]) -> np.ndarray:
    """float64 [S, V] of one row without padding."""
    table = weights["transformer.word_embeddings.weight"].astype(np.float64)
    c = ids.index(config.bos_token_id)
    m = ids.index(config.gmask_token_id if config.gmask_token_id in ids else config.mask_token_id)
    first = [j if j < c else m for j in range(len(ids))]
    second = [max(j - c + 1, 0) for j in range(len(ids))]
    visible = np.array([[j <= i or j < c for j in range(len(ids))] for i in range(len(ids))])
    h = table[ids]
    for layer in range(config.num_layers):
        part = {n.split(f"layers.{layer}.")[1]: v for n, v in weights.items() if f"layers.{layer}." in n}
        x = normalised(h, part["input_layernorm.weight"], part["input_layernorm.bias"])
        h = x * np.sqrt(56) + attention(part, x, config, layer, first, second, visible)
        y = normalised(h, part["post_attention_layernorm.weight"], part["post_attention_layernorm.bias"])
        h = y * np.sqrt(56) + linear(part, "mlp.dense_4h_to_h", gelu(linear(part, "mlp.dense_h_to_4h", y)))
    final = "transformer.final_layernorm"
    return normalised(h, weights[f"{final}.weight"], weights[f"{final}.bias"]) @ table.T


def attention(
    part: Weights,
    x: np.ndarray,
    config: GLMConfig,
    layer: int,
    first: list[int],
    second: list[int],
    visible: np.ndarray,
) -> np.ndarray:
    """[S, D], head by head."""
    fused, size = linear(part, "attention.query_key_value", x), config.head_dim
    mixed = []
    for head in range(config.num_heads):
        own = fused[:, head * 3 * size : (head + 1) * 3 * size]
        q, k, v = own[:, :size], own[:, size : 2 * size], own[:, 2 * size :]
        q, k = turned(q, first, second), turned(k, first, second)
        scores = np.where(visible, q @ k.T / (np.sqrt(size) * (layer + 1)), -10000.0) * (layer + 1)
        shares = np.exp(scores - scores.max(1, keepdims=True))
        mixed.append(shares / shares.sum(1, keepdims=True) @ v)
    return linear(part, "attention.dense", np.concatenate(mixed, 1))


def turned(x: np.ndarray, first: list[int], second: list[int]) -> np.ndarray:
    """Each half of [S, d] as complex numbers (k, k + d/4), turned by its channel."""
    quarter = x.shape[1] // 4
    frequencies = np.float16(1 / 10000 ** (np.arange(0, 2 * quarter, 2) / (2 * quarter))).astype(np.float64)
    parts = []
    for half, places in ((x[:, : 2 * quarter], first), (x[:, 2 * quarter :], second)):
        plane = (half[:, :quarter] + 1j * half[:, quarter:]) * np.exp(1j * np.outer(places, frequencies))
        parts += [plane.real, plane.imag]
    return np.concatenate(parts, 1)


def linear(part: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return x @ part[f"{name}.weight"].astype(np.float64).T + part[f"{name}.bias"]


def normalised(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
