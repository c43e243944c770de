"""What all tests share: a small tokenizer, trained on the spot from a few committed sentences; order and coverage."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest

from mindformers.dataset.train_tokenizer import train_tokenizer
from mindformers.models.glm.glm_tokenizer import ChatGLMTokenizer
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer

REPOSITORY = Path(__file__).resolve().parents[1]
SENTENCES = Path(__file__).parent / "data" / "tokenizer_sentences.txt"
NUM_PIECES = 400
NUM_ICE_PIECES = 200
MEASURED_ROOMS = ("config", "dataset", "modalities")
SLOW_ROOMS = ("cli", "generation", "kernels", "parallel", "trainer")


def pytest_configure() -> None:
    """What tests start hears of Ctrl-C, even if nobody here does.

    A script's background job is told to ignore it, and hands that on to all it starts.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms with long files begin, so that two workers end together; line coverage is measured where it is asked for.

    A traced test takes longer, and what a room promises should be held by its own tests.
    """
    for item in items:
        if room_of(item) not in MEASURED_ROOMS:
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: room_of(item) not in SLOW_ROOMS)


def room_of(item: pytest.Item) -> str:
    """`config` of `tests/config/test_decode.py`."""
    return item.path.relative_to(REPOSITORY / "tests").parts[0]


@pytest.fixture(scope="module", autouse=True)
def _short_collections() -> None:
    """MindSpore collects garbage before every compilation; what was loaded before this module need not be searched."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece BPE model of 400 pieces with byte fallback and LLaMA's special ids."""
    from sentencepiece import SentencePieceTrainer

    prefix = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    SentencePieceTrainer.train(
        input=str(SENTENCES),
        model_prefix=str(prefix),
        model_type="bpe",
        vocab_size=NUM_PIECES,
        byte_fallback=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        minloglevel=2,
    )
    return prefix.with_suffix(".model")


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file: Path) -> LlamaTokenizer:
    """The tokenizer of `tokenizer_file`, with all modalities."""
    return LlamaTokenizer(tokenizer_file)


@pytest.fixture(scope="session")
def ice_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 pieces of the same sentences as ChatGLM has them: padding 3, line break 4."""
    path = tmp_path_factory.mktemp("ice") / "ice_text.model"
    train_tokenizer(iter(SENTENCES.read_text(encoding="utf-8").splitlines()), path, NUM_ICE_PIECES, "chatglm")
    return path


@pytest.fixture(scope="session")
def ice(ice_file: Path) -> ChatGLMTokenizer:
    """The tokenizer of `ice_file`."""
    return ChatGLMTokenizer(ice_file)


def shared_data(*parts: str) -> Path:
    """A file of the development data beside the repository; skips the test where it is not there."""
    path = REPOSITORY.parent / "shared" / "data" / Path(*parts)
    if not path.is_file():
        pytest.skip(f"{'/'.join(parts)} is not beside this repository")
    return path
