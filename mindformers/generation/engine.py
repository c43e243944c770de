"""The one engine: what predict, chat and every other user of a network's answers ask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from mindformers.generation.batch import Batch
from mindformers.generation.beams import search_beams
from mindformers.generation.drafting import Drafter, is_drafting
from mindformers.generation.options import GenerationOptions
from mindformers.generation.requests import Answer, Request, Running, check_prompt
from mindformers.generation.sampling import RowSampler
from mindformers.generation.slots import Slots, bucket, new_slots
from mindformers.kernels.large_pages import use_large_pages

_KEPT_SHAPES = 2


class Engine:
    """Generates with one network.

    Args:
        net: has `prefill`, `decode`, `new_caches`, `prepare_generation` and `config` (as `LlamaForCausalLM`). Its
            weights shall stay as they are.
        use_cache: False computes every step from the whole text again: slow, and the same answers.
        tokenizer: needed for stop texts and constraints; ids of the network that it lacks are never chosen.
        draft: whether tokens are guessed with rounded weights before they are computed, which changes the time only:
            `none`, `int8`, or `auto` for int8 where the weights are far larger than the processor's cache. May be set
            at any time; what guesses then is `drafter`, with counts of its guesses. None: as the configuration says.
    """

    def __init__(self, net: Any, use_cache: bool = True, tokenizer: Any = None, draft: str | None = None) -> None:
        self.net, self.config, self.tokenizer = net, net.config, tokenizer
        self.net.set_train(False)
        net.prepare_generation()
        use_large_pages(net.get_parameters())
        self._use_cache, self.draft = use_cache, draft or getattr(self.config, "draft", "none")
        self.drafter: Drafter | None = None
        self.num_ids = min(self.config.vocab_size, len(tokenizer)) if tokenizer else self.config.vocab_size
        self._slots: OrderedDict[tuple[int, int], Slots] = OrderedDict()
        self._constraints: dict[str, Any] = {}

    def check(self, prompt: Sequence[int], what: str) -> None:
        """Raises InputError, naming `what`, where a prompt is empty or longer than the model."""
        check_prompt(prompt, self.config.seq_length, what)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        options: GenerationOptions,
        first_index: int = 0,
        batch_size: int | None = None,
    ) -> list[list[int]]:
        """The ids of the first answer to each prompt; see `answers`."""
        found = self.answers(prompts, options, first_index, batch_size)
        return [answer.ids for _, answers in found for answer in answers[:1]]

    def answers(
        self,
        prompts: Sequence[Sequence[int]],
        options: GenerationOptions,
        first_index: int = 0,
        batch_size: int | None = None,
    ) -> Iterator[tuple[int, list[Answer]]]:
        """Answer prompts, in their order.

        Args:
            prompts: token ids of each prompt, of any lengths.
            options: how to choose tokens and when to stop.
            first_index: the first prompt's place in the whole input; random draws follow from it.
            batch_size: slots, prompts that are decoded together; None means one for each.

        Yields:
            Each prompt's number from 0 and its `num_return_sequences` answers; beams come best first.

        Raises:
            InputError: an empty prompt, or one that is longer than the model.
        """
        rows = [list(prompt) for prompt in prompts]
        for number, row in enumerate(rows):
            self.check(row, f"prompt {first_index + number + 1}")
        if rows:
            num_requests = len(rows) * options.num_return_sequences
            num_slots = min(batch_size or num_requests, num_requests)
            yield from self.answers_in_turn(rows, options, max(map(len, rows)), num_slots, first_index)

    def answers_in_turn(
        self,
        prompts: Iterable[Sequence[int]],
        options: GenerationOptions,
        longest: int,
        num_slots: int,
        first_index: int = 0,
    ) -> Iterator[tuple[int, list[Answer]]]:
        """As `answers`, of any number of prompts, which are taken only as slots become free and kept no longer.

        Args:
            prompts: token ids of each prompt, which `check` lets pass.
            options, first_index: as there.
            longest: tokens of the longest prompt.
            num_slots: prompts that are decoded together.
        """
        length = longest + options.max_new_tokens
        if options.num_beams > 1:
            slots = self.slots_for(options.num_beams, length)
            yield from ((number, search_beams(slots, self, row, options)) for number, row in enumerate(prompts))
            return
        requests = (
            Request(row, options, index, sample)
            for index, row in enumerate(prompts, first_index)
            for sample in range(options.num_return_sequences)
        )
        done: dict[int, dict[int, Answer]] = {}
        following = first_index
        for request, answer in self.run(requests, self.slots_for(num_slots, length)):
            done.setdefault(request.index, {})[request.sample] = answer
            while len(done.get(following, ())) == options.num_return_sequences:
                yield following - first_index, [answer for _, answer in sorted(done.pop(following).items())]
                following += 1

    def stream(self, prompt: Sequence[int], options: GenerationOptions, on_token: Callable[[int], None]) -> Answer:
        """Answer one prompt; `on_token` is called with every token as it is chosen, with those of beams at the end."""
        self.check(prompt, "prompt")
        if options.num_beams > 1:
            [(_, [answer, *_])] = self.answers([prompt], options)
            for token in answer.ids:
                on_token(token)
            return answer
        request = Request(list(prompt), options, on_token=on_token)
        return next(self.run([request], self.slots_for(1, len(prompt) + options.max_new_tokens)))[1]

    def run(self, requests: Iterable[Request], slots: Slots) -> Iterator[tuple[Request, Answer]]:
        """Answer requests as slots become free, yielding each when it is done; `slots` are from `slots_for`."""
        eos = self.config.eos_token_id
        return Batch(slots, self._begun, eos, self.tokenizer, self._drafter_for(slots)).run(iter(requests))

    def slots_for(self, num_slots: int, longest: int) -> Slots:
        """Slots for texts of so many tokens, prompt and answer; those of the last shapes are kept and used again."""
        shape = (num_slots, bucket(longest, self.config.seq_length))
        if shape not in self._slots:
            self._slots[shape] = new_slots(self.net, *shape, self.num_ids, self._use_cache)
        self._slots.move_to_end(shape)
        while len(self._slots) > _KEPT_SHAPES:
            self._slots.popitem(last=False)
        return self._slots[shape]

    def _drafter_for(self, slots: Slots) -> Drafter | None:
        """Made when it is first wanted; it serves all slots, and stays where it is not wanted for a while."""
        if not is_drafting(slots, self.draft):
            return None
        if self.drafter is None:
            self.drafter = Drafter(slots.decoder)
        return self.drafter

    def _begun(self, request: Request) -> Running:
        limit = min(request.options.max_new_tokens, self.config.seq_length - len(request.ids))
        eos, state = self.config.eos_token_id, self.constrained(request.options, limit)
        sampler = RowSampler(request.options, request.ids, eos, request.index, request.sample, state)
        return Running(request, limit, sampler)

    def constrained(self, options: GenerationOptions, budget: int) -> Any:
        """The state of the options' constraint at the beginning of an answer; None where there is none."""
        if options.constrain is None:
            return None
        from mindformers.generation.constrain import constraint_for

        if options.constrain not in self._constraints:
            self._constraints[options.constrain] = constraint_for(options.constrain, self.tokenizer)
        return self._constraints[options.constrain].start(budget)
