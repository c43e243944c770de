"""Ids and labels, worked out by hand and by property."""

from __future__ import annotations

import pytest

from mindformers.dataset.encode import IGNORE_ID, Encoded, encode_example, pad_record
from mindformers.dataset.example import GPT, HUMAN, BadRow, Example, Turn
from mindformers.dataset.templates import VICUNA_SYSTEM, get_template
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer

BOS, EOS = 1, 2
ONE = (Turn(HUMAN, "Describe <molecule>CCO</molecule>."), Turn(GPT, "It is toxic."))
TWO = (*ONE, Turn(HUMAN, "And <protein>MK</protein>?"), Turn(GPT, "<molecule>CN</molecule>"))


def _encode(
    turns: tuple[Turn, ...], tokenizer: LlamaTokenizer, name: str = "vicuna", seq_length: int = 2048
) -> Encoded:
    result = encode_example(Example(turns, file="f", line=3), get_template(name), tokenizer, seq_length)
    assert isinstance(result, Encoded), result
    return result


def test_two_rounds_by_hand(tokenizer: LlamaTokenizer) -> None:
    def piece(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    def after(text: str) -> list[int]:
        return tokenizer.encode(text, is_continuation=True)

    prompt1 = [BOS, *piece(f"{VICUNA_SYSTEM} USER: Describe <molecule>CCO</molecule>. ASSISTANT:")]
    answer1 = [*after(" It is toxic."), EOS]
    prompt2 = piece("USER: And <protein>MK</protein>? ASSISTANT:")
    answer2 = [*after(" "), 400, 407, EOS]
    encoded = _encode(TWO, tokenizer)
    assert list(encoded.ids) == prompt1 + answer1 + prompt2 + answer2
    hidden1, hidden2 = [IGNORE_ID] * len(prompt1), [IGNORE_ID] * len(prompt2)
    assert list(encoded.labels) == hidden1 + answer1 + hidden2 + answer2


def test_rounds_of_chemdfm_end_by_label(tokenizer: LlamaTokenizer) -> None:
    encoded = _encode(TWO, tokenizer, "chemdfm")
    ids, labels = list(encoded.ids), list(encoded.labels)
    assert ids.count(EOS) == 1 and labels.count(EOS) == 2
    end = labels.index(EOS)
    line_break = tokenizer.encode("\n", is_continuation=True)
    assert ids[end : end + 1] == line_break and labels[end - 1] == ids[end - 1]
    assert all(label in (IGNORE_ID, index) for index, label in zip(ids[end + 1 :], labels[end + 1 :], strict=True))


@pytest.mark.parametrize("name, rounds", [("vicuna", 2), ("chemdfm", 2), ("alpaca", 1), ("plain", 1)])
def test_the_prompt_has_the_same_ids_at_inference(tokenizer: LlamaTokenizer, name: str, rounds: int) -> None:
    texts = ["Describe <molecule>CCO</molecule>.", " two  blanks ", "乙醇?\nnew line", "a <dna>ACGT</dna>", "{|C|}"]
    for number, text in enumerate(texts):
        turns = (Turn(HUMAN, text), Turn(GPT, texts[number - 1]), *TWO[2:])[: 2 * rounds]
        encoded = _encode(turns, tokenizer, name)
        for asked in range(1, len(turns), 2):
            prompt = tokenizer.encode(get_template(name).render_prompt(turns[:asked]))
            assert list(encoded.ids[: len(prompt)]) == prompt
            first_target = encoded.labels[len(prompt)]
            assert first_target == encoded.ids[len(prompt)] and encoded.labels[len(prompt) - 1] == IGNORE_ID


def test_alpaca_labels_hide_the_prompt(tokenizer: LlamaTokenizer) -> None:
    encoded = _encode((Turn(HUMAN, "Name it", "the cell"), Turn(GPT, "cell")), tokenizer, "alpaca")
    prompt = tokenizer.encode("Instruction: Name it\nInput: the cell\nAnswer: ")
    answer = [*tokenizer.encode("cell", is_continuation=True), EOS]
    assert list(encoded.ids) == prompt + answer
    assert list(encoded.labels) == [IGNORE_ID] * len(prompt) + answer


def test_truncation_keeps_the_beginning(tokenizer: LlamaTokenizer) -> None:
    whole = _encode(ONE, tokenizer)
    cut = _encode(ONE, tokenizer, seq_length=whole.num_tokens - 3)
    assert not whole.is_truncated and cut.is_truncated and cut.num_tokens == whole.num_tokens
    assert list(cut.ids) == list(whole.ids[:-2]) and list(cut.labels) == list(whole.labels[:-2])


def test_an_answer_that_is_cut_away_is_a_bad_row(tokenizer: LlamaTokenizer) -> None:
    prompt = tokenizer.encode(get_template("vicuna").render_prompt(ONE[:1]))
    example = Example(ONE, file="f", line=3)
    result = encode_example(example, get_template("vicuna"), tokenizer, len(prompt) - 1)
    assert result == BadRow(
        "f", 3, f"its answer begins behind token {len(prompt)} and would be cut away; raise seq_length"
    )
    assert isinstance(encode_example(example, get_template("vicuna"), tokenizer, len(prompt)), Encoded)


@pytest.mark.parametrize(
    "turns, name, reason",
    [
        (
            (Turn(HUMAN, "<molecule>CJ</molecule>"), Turn(GPT, "a")),
            "vicuna",
            "turn 1 (human): molecule at character 11: 'J' is not in the alphabet",
        ),
        (
            (Turn(HUMAN, "q"), Turn(GPT, "<dna>AC")),
            "vicuna",
            "turn 2 (gpt): tag '<dna>' at character 0: has no partner",
        ),
        ((Turn(HUMAN, "q"), Turn(GPT, "")), "vicuna", "turn 2 (gpt) is empty"),
        ((Turn(HUMAN, "q"),), "vicuna", "the last turn is from 'human'"),
        (TWO, "alpaca", "2 rounds, but this template has 1"),
    ],
)
def test_bad_rows(tokenizer: LlamaTokenizer, turns: tuple[Turn, ...], name: str, reason: str) -> None:
    result = encode_example(Example(turns, file="f", line=3), get_template(name), tokenizer, 2048)
    assert isinstance(result, BadRow) and reason in result.reason and (result.file, result.line) == ("f", 3)


def test_raw_text_is_learnt_whole(tokenizer: LlamaTokenizer) -> None:
    text = "a cell <dna>ACGT</dna>"
    encoded = encode_example(Example(text=text), get_template("plain"), tokenizer, 4)
    assert list(encoded.ids) == [*tokenizer.encode(text), EOS] == list(encoded.labels)
    assert encoded.may_split and not encoded.is_truncated


def test_raw_text_with_a_wrong_character_is_a_bad_row(tokenizer: LlamaTokenizer) -> None:
    result = encode_example(Example(text="a <dna>AX</dna>", file="f", line=2), get_template("plain"), tokenizer)
    assert result == BadRow("f", 2, "nucleotide at character 8: 'X' is not in the alphabet")


def test_windows_of_a_sequence_begin_and_end_where_the_sequence_does(tokenizer: LlamaTokenizer) -> None:
    def ids(is_start: bool, is_end: bool) -> list[int]:
        example = Example(text="<dna>GA</dna>", is_start=is_start, is_end=is_end)
        return list(encode_example(example, get_template("plain"), tokenizer, 4).ids)

    assert ids(True, False) == [BOS, 466, 467]
    assert ids(False, False) == [466, 467]
    assert ids(False, True) == [466, 467, EOS]


def test_padding_of_a_record() -> None:
    ids, labels = pad_record([5, 6], [IGNORE_ID, 6], 4, 0)
    assert ids.tolist() == [5, 6, 0, 0] and labels.tolist() == [IGNORE_ID, 6, IGNORE_ID, IGNORE_ID]
    assert ids.dtype == labels.dtype == "int32"
