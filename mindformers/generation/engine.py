"""The one engine: every slot is kept busy; a sequence that ends leaves, and the next prompt takes its place.

slot 0   [prompt a][a a a a a a][prompt d][d d d ...
slot 1   [prompt b][b b][prompt c][c c c c c c c ...          one graph decodes all slots, each at its own position
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mindformers.generation.beams import search_beams
from mindformers.generation.options import GenerationOptions
from mindformers.generation.requests import Answer, Request, Running
from mindformers.generation.sampling import RowSampler, log_probability_of
from mindformers.generation.slots import CachedSlots, UncachedSlots, bucket
from mindformers.generation.stopping import StopTexts
from mindformers.kernels.large_pages import use_large_pages
from mindformers.tools.errors import InputError

_KEPT_SHAPES = 2


class Engine:
    """Generates with one network.

    Args:
        net: has `prefill`, `decode`, `new_caches` and `config` (as `LlamaForCausalLM`).
        use_cache: False computes every step from the whole text again: slow, and the same answers.
        tokenizer: needed for stop texts and constraints only.
    """

    def __init__(self, net: Any, use_cache: bool = True, tokenizer: Any = None) -> None:
        self.net, self.config, self.tokenizer = net, net.config, tokenizer
        self.net.set_train(False)
        use_large_pages(net.get_parameters())
        self._kind = CachedSlots if use_cache else UncachedSlots
        self._slots: OrderedDict[tuple[int, int], CachedSlots | UncachedSlots] = OrderedDict()
        self._constraints: dict[str, Any] = {}

    @property
    def longest_prompt(self) -> int:
        """Tokens a prompt may have; one position is left for an answer."""
        return self.config.seq_length - 1

    def check(self, prompt: Sequence[int], what: str) -> None:
        """Raises InputError, naming `what`, where a prompt is empty or longer than the model."""
        if not prompt:
            raise InputError(what, "no tokens", "at least one token", "give it some text")
        if len(prompt) > self.longest_prompt:
            raise InputError(
                what, f"{len(prompt)} tokens", f"at most {self.longest_prompt} (seq_length - 1)", "shorten the prompt"
            )

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
        skip: int = 0,
    ) -> Iterator[tuple[int, list[Answer]]]:
        """Answer prompts, in their order.

        Args:
            prompts: token ids of each prompt, of any lengths.
            options: how to choose tokens and when to stop.
            first_index: the first prompt's place in the whole input; random draws follow from it.
            batch_size: slots, prompts that are decoded together; None means one for each.
            skip: prompts at the beginning that are not answered; the others are answered as if they were.

        Yields:
            Each prompt's number from 0 and its answers: `num_samples` of them, or the best beams, best first.

        Raises:
            InputError: an empty prompt, or one that is longer than the model.
        """
        rows = [list(prompt) for prompt in prompts]
        for number, row in enumerate(rows):
            self.check(row, f"prompt {first_index + number + 1}")
        if len(rows) <= skip:
            return
        if options.num_beams > 1:
            slots = self._slots_for(options.num_beams, rows, options)
            for number in range(skip, len(rows)):
                yield number, search_beams(slots, self, rows[number], options)
            return
        requests = (
            Request(rows[number], options, first_index + number, sample)
            for number in range(skip, len(rows))
            for sample in range(options.num_samples)
        )
        num_requests = len(rows) * options.num_samples
        slots = self._slots_for(min(batch_size or num_requests, num_requests), rows, options)
        done: dict[int, dict[int, Answer]] = {}
        following = skip
        for request, answer in self.run(requests, slots):
            done.setdefault(request.index - first_index, {})[request.sample] = answer
            while len(done.get(following, ())) == options.num_samples:
                yield following, [answer for _, answer in sorted(done.pop(following).items())]
                following += 1

    def stream(self, prompt: Sequence[int], options: GenerationOptions, on_token: Callable[[int], None]) -> Answer:
        """Answer one prompt; `on_token` is called with every token as it is chosen."""
        self.check(prompt, "prompt")
        request = Request(list(prompt), options, on_token=on_token)
        return next(self.run([request], self._slots_for(1, [prompt], options)))[1]

    def run(self, requests: Iterable[Request], slots: CachedSlots | UncachedSlots) -> Iterator[tuple[Request, Answer]]:
        """Answer requests as slots become free, yielding each when it is done."""
        waiting = iter(requests)
        running: list[Running | None] = [None] * slots.num_slots
        while True:
            for slot in range(slots.num_slots):
                while running[slot] is None and (request := next(waiting, None)) is not None:
                    one = self._begun(request)
                    answer = self._take(one, slots.fill(slot, request.ids))
                    if answer is None:
                        running[slot] = one
                    else:
                        yield request, answer
            active = [slot for slot, one in enumerate(running) if one is not None]
            if not active:
                return
            for slot, answer in self._decoded(slots, running, active):
                yield running[slot].request, answer
                running[slot] = None

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

    def _decoded(
        self, slots: CachedSlots | UncachedSlots, running: list[Running | None], active: list[int]
    ) -> list[tuple[int, Answer]]:
        """One step of all slots. Returns those that are done."""
        tokens, positions = np.zeros(slots.num_slots, np.int32), np.zeros(slots.num_slots, np.int32)
        for slot in active:
            tokens[slot], positions[slot] = running[slot].ids[-1], running[slot].position
        logits = slots.step(tokens, positions)
        answers = [(slot, self._take(running[slot], logits[slot])) for slot in active]
        return [(slot, answer) for slot, answer in answers if answer is not None]

    def _take(self, one: Running, logits: np.ndarray) -> Answer | None:
        """Choose a sequence's next token; its answer when that was the last one."""
        token = one.sampler.choose(logits, one.limit - len(one.ids))
        if one.request.options.num_samples > 1:
            one.log_probability += log_probability_of(logits, token)
        if token == self.config.eos_token_id:
            return Answer(one.ids, one.log_probability, "eos")
        one.ids.append(token)
        if one.request.on_token:
            one.request.on_token(token)
        if one.request.options.stop:
            kept = StopTexts(one.request.options.stop, self.tokenizer).cut(one.ids)
            if kept is not None:
                return Answer(kept, one.log_probability, "stop")
        return Answer(one.ids, one.log_probability, "length") if len(one.ids) >= one.limit else None

    def _slots_for(
        self, num_slots: int, prompts: Sequence[Sequence[int]], options: GenerationOptions
    ) -> CachedSlots | UncachedSlots:
        """Slots long enough for prompts and answers; those of the last shapes are kept, with their graphs."""
        longest = max(map(len, prompts)) + options.max_new_tokens
        shape = (num_slots, bucket(longest, self.config.seq_length))
        if shape not in self._slots:
            self._slots[shape] = self._kind(self.net, *shape)
        self._slots.move_to_end(shape)
        while len(self._slots) > _KEPT_SHAPES:
            self._slots.popitem(last=False)
        return self._slots[shape]
