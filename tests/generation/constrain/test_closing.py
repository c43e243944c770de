"""The ways to the end and the verdicts that follow from them, against the same written down plainly."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from mindformers.generation.constrain import constraint_for
from mindformers.generation.constrain.characters import BIT
from mindformers.generation.constrain.closing import TURNS, ending, ending_behind
from mindformers.generation.constrain.growth import MOST_ADDED, added_by, alike, least_behind
from mindformers.generation.constrain.molecule import Molecule
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from tests.generation.constrain.molecules import characters_of
from tests.generation.constrain.slowly import SlowState, slow_ending

PREFERRED = ["", "[", "cnops", "bcnops12", "0123456789", "(c1", "%", "c123()", "c=1", "[nH]c1+-", "cno12-/", "."]
"""Characters that a walk likes to write, so that it gets into all kinds of corners."""


def choose(characters: str, preferred: str, draw: random.Random) -> str:
    wanted = [character for character in characters if character in preferred]
    return draw.choice(wanted if wanted and draw.random() < 0.6 else characters)


def walks(seed: int, steps: int, count: int) -> Iterator[tuple[Molecule, str, random.Random]]:
    """Molecules that are being written, and the next character of each."""
    draw = random.Random(seed)
    for number in range(count):
        molecule = Molecule()
        for _ in range(steps):
            character = choose(characters_of(molecule.allowed()), PREFERRED[number % len(PREFERRED)], draw)
            yield molecule, character, draw
            molecule.advance(character)


def test_endings_are_those_that_are_written_character_by_character() -> None:
    for molecule, character, draw in walks(1, steps=40, count=60):
        assert ending(molecule) == slow_ending(molecule)
        wanted, limit = slow_ending(molecule, character), draw.randrange(60)
        assert ending_behind(molecule, character) == wanted
        assert ending_behind(molecule, character, limit) == wanted or len(wanted) >= limit
        assert least_behind(molecule, character) <= len(wanted)


def test_what_a_character_adds_to_the_ending_is_known_before_where_it_can_be() -> None:
    num_known = 0
    for molecule, character, _ in walks(2, steps=40, count=120):
        bound, added = added_by(molecule, character), len(slow_ending(molecule, character)) - len(ending(molecule))
        num_known += bound is not None
        assert added <= MOST_ADDED
        assert bound is None or bound == added or (character == "%" and added < bound)
        twin = alike(molecule, character)
        assert molecule.allowed() & BIT[twin]
        assert len(slow_ending(molecule, twin)) == len(slow_ending(molecule, character))
    assert num_known > 500


def test_the_ending_goes_on_as_it_began() -> None:
    for molecule, _, draw in walks(3, steps=40, count=60):
        way = ending(molecule)
        if way and way[0] not in TURNS and draw.random() < 0.5:
            assert ending_behind(molecule, way[0]) == way[1:]


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 8, 12, 25, 40])
def test_the_allowed_characters_are_those_behind_which_there_is_an_end(tokenizer: LlamaTokenizer, budget: int) -> None:
    """All characters at once, and likely ones first as a sampler asks."""
    draw, constraint = random.Random(budget), constraint_for("smiles", tokenizer)
    ids, bits = tokenizer.modality_vocabulary.ids["molecule"], constraint.masks.bits
    for number in range(24):
        slow, state, few = SlowState(budget), constraint.start(budget), constraint.start(budget)
        while slow.budget_left:
            wanted = slow.allowed_set()
            assert state.allowed_set() & ~constraint.blank == wanted
            places = draw.sample(range(len(bits)), len(bits))
            asked = [bits[place] for place in few.permitted(places) if bits[place] != constraint.blank]
            assert asked == [bits[place] for place in places if bits[place] & wanted]
            characters = characters_of(wanted)
            if not characters:
                break
            character = choose(characters, PREFERRED[number % len(PREFERRED)], draw)
            for one in (state, few):
                one.advance(ids[character])
            slow.advance(character)
