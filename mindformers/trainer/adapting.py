"""LoRA in the story of a run: an adapter to be trained beside the base, or to be merged into it before it answers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

from mindspore import Parameter, nn

from mindformers.config import Recipe
from mindformers.models.checkpoint_file import open_checkpoint
from mindformers.parallel.spreading import Spread
from mindformers.pet.adapter import Adapter
from mindformers.pet.adapter_file import (
    CONFIG_FILE,
    HEAD_ENTRY,
    AdapterConfig,
    StoredAdapter,
    read_adapter,
    save_adapter,
)
from mindformers.pet.fingerprint import digests_of, whole_digest
from mindformers.pet.fitting import check_base
from mindformers.pet.lora_config import PET_CONFIG, LoraConfig
from mindformers.pet.merging import merge_into
from mindformers.pet.names import LORA_A, NEW_ROWS
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger
from mindformers.trainer.checkpoint import ROUTER_PART
from mindformers.trainer.checkpoint_files import find_checkpoint
from mindformers.trainer.start import required_checkpoint

logger = get_logger(__name__)
FOLDER = "adapter"
_LIBRARIES = ("mindspore", "numpy")


class AdapterTraining:
    """An adapter that a run trains, and what is written of it.

    Args:
        adapter: on its network.
        config: what is known of it and of its base.
    """

    def __init__(self, adapter: Adapter, config: AdapterConfig) -> None:
        self.adapter, self.config = adapter, config

    @property
    def parameters(self) -> list[Parameter]:
        """All that is trained, and saved."""
        return self.adapter.parameters

    @property
    def spread(self) -> Spread:
        """How network and adapter are spread over the devices."""
        return self.adapter.spread

    @property
    def metadata(self) -> dict[str, str]:
        """Texts for the head of every checkpoint, so that one is an adapter by itself."""
        return {HEAD_ENTRY: self.config.as_text()}

    def begin_step(self, step: int, part: int) -> None:
        """To be called before every micro batch of every step."""
        self.adapter.begin_step(step, part)

    def save(self, output_dir: str | Path) -> Path:
        """Write the adapter as it is now; all devices must call this, the first one writes. Returns its folder."""
        arrays, folder = self.adapter.whole_arrays(), Path(output_dir) / FOLDER
        if not self.spread.mesh.is_first:
            return folder
        save_adapter(folder, arrays, self.config)
        logger.info("adapter in %s; use it with --adapter %s beside its base", folder, folder)
        return folder


def pet_config(recipe: Recipe) -> LoraConfig | None:
    """The recipe's `pet_config`, or None where everything is trained."""
    block = recipe.model.model_config.get("pet_config")
    return None if block is None else LoraConfig.from_mapping(block)


def choose_checkpoints(recipe: Recipe) -> None:
    """Folders that training is given become the checkpoints in them that will be loaded, so each is looked for once.

    A resumed run goes on from `load_checkpoint`, and where an adapter is trained from `adapter`, beside its base.

    Raises:
        InputError: the run to be resumed is not given, or there is no whole checkpoint of it.
    """
    trains_adapter = bool(recipe.adapter) or pet_config(recipe) is not None
    if recipe.resume_training:
        required_checkpoint(recipe)
    if recipe.load_checkpoint:
        is_resumed = recipe.resume_training and not trains_adapter
        recipe.load_checkpoint = str(find_checkpoint(recipe.load_checkpoint, is_resumed))
    if recipe.resume_training and trains_adapter:
        if not recipe.adapter:
            got, expected = "not given", "the checkpoints of the run to be resumed"
            raise InputError("--adapter", got, expected, f"pass --adapter {recipe.output_dir}/checkpoint")
        recipe.adapter = str(_checkpoint_in(Path(recipe.adapter), for_training=True))


def adapter_to_train(
    recipe: Recipe, config: Any, net: nn.Cell, base: str | Path | None, spread: Spread | None = None
) -> AdapterTraining | None:
    """Wrap a network for LoRA, as `pet_config` or the adapter to go on with says; None where there is neither.

    Args:
        recipe: the recipe.
        config: the network's configuration.
        net: the network with the base's weights; it is changed in place.
        base: the base's file.
        spread: how the network is spread over the devices.

    Raises:
        InputError: there is no base; the adapter does not fit it; the settings mean nothing in this network.
    """
    settings = pet_config(recipe)
    if settings is None and not recipe.adapter:
        return None
    if base is None:
        raise InputError("load_checkpoint", "not given", "the base model, which LoRA leaves as it is", "pass it")
    _refuse_trained_routers(config)
    stored = open_adapter(recipe.adapter) if recipe.adapter else None
    if stored is not None:
        check_base(stored, base)
        settings = _same_settings(settings, stored)
    names = [p.name for p in net.get_parameters() if ROUTER_PART not in p.name]
    adapter = Adapter(net, settings, _base_vocab_size(config), recipe.seed, spread)
    if stored is not None:
        adapter.load(stored.arrays)
    digests = stored.config.base_weights if stored else digests_of(open_checkpoint(Path(base)), names)
    trained = AdapterTraining(adapter, _described(recipe, config, adapter, base, digests))
    count = sum(prod(trained.spread.shape(parameter)) for parameter in trained.parameters)
    share = 100 * count / config.count_parameters()
    logger.info("LoRA trains %d weights, %.2f %% of the base's; the base stays as it is", count, share)
    return trained


def fitting_adapter(recipe: Recipe, base: str | Path | None) -> StoredAdapter | None:
    """The recipe's adapter, held against its base; None without one.

    Args:
        recipe: the recipe.
        base: the base's file.

    Raises:
        InputError: the adapter cannot be read or does not fit the base.
    """
    settings = pet_config(recipe)
    if not recipe.adapter:
        if settings is not None:
            logger.warning("'%s': no --adapter is given, so the base is used alone", PET_CONFIG)
        return None
    stored = open_adapter(recipe.adapter)
    if base is None:
        raise InputError("load_checkpoint", "not given", "the adapter's base model", "pass --load_checkpoint FILE")
    check_base(stored, base)
    return stored


def merge_adapter(net: nn.Cell, adapter: StoredAdapter, spread: Spread | None = None) -> None:
    """Add an adapter to the weights of a network that answers, so that it runs as fast as the base."""
    logger.info("adapter %s is merged into %d weights", adapter.path, merge_into(net, adapter, spread))


def open_adapter(path: str | Path) -> StoredAdapter:
    """Read the adapter that a user's path means.

    Args:
        path: a folder with an adapter, or with `adapter/` in it; one of its files; or checkpoints of LoRA training.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = Path(path)
    if path.name == CONFIG_FILE:
        path = path.parent
    found = next((place for place in (path, path / FOLDER) if (place / CONFIG_FILE).is_file()), None)
    return read_adapter(found or (_checkpoint_in(path) if path.is_dir() else path))


def _checkpoint_in(path: Path, for_training: bool = False) -> Path:
    try:
        return find_checkpoint(path, for_training)
    except InputError as error:
        what = "--adapter" if error.what == "load_checkpoint" else error.what
        raise InputError(what, error.got, error.expected, error.next_step) from error


def _same_settings(given: LoraConfig | None, stored: StoredAdapter) -> LoraConfig:
    """What the recipe says must be what the adapter was built with; only the dropout may change."""
    built = stored.config.pet_config
    for name in ("lora_rank", "lora_alpha", "target_modules", "exclude_layers", "train_new_tokens"):
        if given is not None and getattr(given, name) != getattr(built, name):
            got = f"{getattr(given, name)}, but {stored.what} has {getattr(built, name)}"
            raise InputError(f"{PET_CONFIG}.{name}", got, "the adapter's own settings", "correct the recipe")
    return given or built


def _refuse_trained_routers(config: Any) -> None:
    experts = getattr(config, "experts", None)
    if experts is not None and experts.train_router:
        key, expected = "model.model_config.experts.train_router", "False with LoRA, which trains the adapter alone"
        raise InputError(key, "True", expected, "set it to False")


def _base_vocab_size(config: Any) -> int:
    return getattr(config, "first_modality_id", config.vocab_size)


def _described(
    recipe: Recipe, config: Any, adapter: Adapter, base: str | Path, digests: Mapping[str, str]
) -> AdapterConfig:
    cells = [name.removesuffix(LORA_A) for name in adapter.weights if name.endswith(LORA_A)]
    has_rows = any(name.endswith(NEW_ROWS) for name in adapter.weights)
    return AdapterConfig(
        pet_config=adapter.settings,
        recipe=recipe.name,
        base_model=str(base),
        base_model_hash=whole_digest(digests),
        vocab_size=config.vocab_size,
        base_vocab_size=_base_vocab_size(config),
        new_token_rows=config.vocab_size - _base_vocab_size(config) if has_rows else 0,
        ranks=dict.fromkeys(cells, adapter.settings.lora_rank),
        versions={name: version(name) for name in _LIBRARIES},
        base_weights=dict(digests),
    )
