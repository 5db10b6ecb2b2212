import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import Core, ModelConfig
from model.embedding import Folded
from model.generate import (
    SampleConfig,
    caption_prompt,
    completion_prompt,
    draw_records,
    draw_samples,
    generate,
    picture_prompt,
)
from model.grammar import Grammar
from model.network import Network, NetworkModel, State
from palettes.vocabulary import LF, Vocabulary
from pipeline.tokenizer import ORDERS, Order, decode_record, encode_record
from tests.strategies import sprites

VOCABULARY = Vocabulary()
NOTHING = np.zeros(0, dtype=np.uint8)
SMALL = SampleConfig(max_side=5, max_caption=12)
WILD = np.array([-np.inf, np.inf, -3.4e38, 3.4e38, -1e30, -50, 0, 1e-40, 3, 50, 1e30])
orders = st.sampled_from(ORDERS)


class Stepping(Network):
    """A network that reads prompts step by step."""

    read = 0  # records whose prompts were read

    def prefill(self, windows: Tensor, state: State, folded: Folded | None = None) -> tuple[Tensor, State]:
        self.read += len(windows)
        logits = []
        for t in range(windows.shape[1]):
            answer, state = self.step(windows[:, t], state, folded)
            logits.append(answer)
        return torch.stack(logits, dim=1), state


class Untamed(Stepping):
    """A network whose logits are whatever may be, the same for the same seed."""

    def __init__(self, seed: int, values: np.ndarray) -> None:
        super().__init__(ModelConfig(d_model=4, d_state=2, layers=1, k=1), len(VOCABULARY))
        self.random, self.values = np.random.default_rng(seed), values

    def step(self, windows: Tensor, state: State, folded: Folded | None = None) -> tuple[Tensor, State]:  # noqa: ARG002
        return torch.from_numpy(self.random.choice(self.values, (len(windows), len(VOCABULARY)))), state


def made(kind: type[Network] = Network, core: Core = "lstm") -> Network:
    torch.manual_seed(2)
    return kind(ModelConfig(core=core, d_model=16, d_state=8, k=3), len(VOCABULARY)).double()


@pytest.fixture(scope="module")
def network() -> Network:
    return made()


Telling = tuple[np.ndarray, str, float]
tellings = st.lists(
    st.tuples(sprites(6), st.text("abc ", min_size=1, max_size=20), st.floats(0, 1)), min_size=1, max_size=4
)


def begun(telling: Telling, order: Order) -> np.ndarray:
    """Return the beginning of a record: from nothing over half a caption or picture to all of it."""
    sprite, caption, share = telling
    ids = encode_record(sprite, caption, VOCABULARY, order)
    return ids[: round(share * len(ids))]


@settings(max_examples=30)
@given(
    order=orders,
    seed=st.integers(0, 10**6),
    few=st.lists(st.sampled_from(WILD.tolist()), min_size=1, max_size=4),
    temperature=st.sampled_from([0.0, 5e-324, 0.3, 1.0, 40.0, 1e308]),
    top_k=st.sampled_from([None, 1, 2, 200]),
    top_p=st.sampled_from([5e-324, 0.5, 1.0]),
    records=tellings,
)
@example(
    order="image_first",
    seed=0,
    few=[float("inf"), -3.4e38],
    temperature=1e308,
    top_k=None,
    top_p=1.0,
    records=[(np.zeros((1, 1), dtype=np.uint8), "a", 0.0)],
)
def test_whatever_the_logits_each_record_is_well_formed_and_keeps_its_bounds(  # noqa: PLR0913 - hypothesis
    *,
    order: Order,
    seed: int,
    few: list[float],
    temperature: float,
    top_k: int | None,
    top_p: float,
    records: list[Telling],
) -> None:
    told = [begun(one, order) for one in records]
    how = SampleConfig(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, max_side=4, max_caption=9, batch=3)
    drawn = draw_samples(Untamed(seed, np.array(few)), VOCABULARY, told, order, how)
    for prompt, one in zip(told, drawn, strict=True):
        assert np.array_equal(one.ids[: len(prompt)], prompt)
        assert Grammar(VOCABULARY, order, 6, 20).why_not(one.ids) is None
        assert np.array_equal(encode_record(one.sprite, one.caption, VOCABULARY, order), one.ids)
        assert 0 <= one.bits < float("inf")
        if not len(prompt):
            assert max(one.sprite.shape) <= 4
            assert 1 <= len(one.caption.encode()) <= 9


@settings(max_examples=25)
@given(orders, st.integers(0, 99), st.integers(1, 5), tellings, st.integers(0, 99))
def test_a_sample_does_not_depend_on_what_is_drawn_beside_it(
    network: Network, order: Order, seed: int, batch: int, records: list[Telling], which: int
) -> None:
    told, n = [begun(one, order) for one in records], which % len(records)
    together = draw_records(
        network, VOCABULARY, told, order, SampleConfig(seed=seed, max_side=5, max_caption=12, batch=batch)
    )
    (alone,) = draw_records(
        network, VOCABULARY, told[n : n + 1], order, SampleConfig(seed=seed, max_side=5, max_caption=12, first=n)
    )
    assert np.array_equal(alone.ids, together[n].ids)
    assert alone.bits == pytest.approx(together[n].bits)
    assert alone.number == together[n].number == n


def test_a_seed_draws_the_same_again_and_each_of_its_samples_another(network: Network) -> None:
    def drawn(seed: int) -> list[bytes]:
        how = SampleConfig(seed=seed, max_side=5, max_caption=12)
        return [ids.tobytes() for ids in generate(network, VOCABULARY, [NOTHING] * 3, config=how)]

    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))
    assert len(set(drawn(1))) == 3


@pytest.mark.parametrize("core", get_args(Core))
@settings(max_examples=8)
@given(orders, st.integers(0, 99), tellings, st.lists(st.integers(0, 99), min_size=1, max_size=6))
def test_of_every_core_prompts_are_read_at_once_and_each_one_once(
    core: Core, order: Order, seed: int, records: list[Telling], whom: list[int]
) -> None:
    told = [begun(records[i % len(records)], order) for i in whom]
    how, stepping = SampleConfig(seed=seed, max_side=4, max_caption=8), made(Stepping, core)
    at_once, stepped = (draw_records(one, VOCABULARY, told, order, how) for one in (made(core=core), stepping))
    assert [one.ids.tobytes() for one in at_once] == [one.ids.tobytes() for one in stepped]
    assert isinstance(stepping, Stepping)
    shortest = min(len(prompt) for prompt in told)
    assert stepping.read == len({prompt[:shortest].tobytes() for prompt in told})


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("constrained", [True, False])
def test_the_bits_of_a_record_are_those_of_the_network(network: Network, order: Order, *, constrained: bool) -> None:
    how = SampleConfig(max_side=5, max_caption=12, constrained=constrained, temperature=0.7, top_k=40)
    grammar = Grammar(VOCABULARY, order, 5, 12)
    prompt = VOCABULARY.encode_text("(3" if order == "image_first" else "ab")
    for one in draw_records(network, VOCABULARY, [prompt] * 4, order, how):
        if 0 in one.ids:
            continue  # no input of a network can be made of it
        log_probs = NetworkModel(network).log_probs(one.ids) if grammar.accepts(one.ids) else None
        if log_probs is None:
            continue
        nats = 0.0
        for t in range(len(prompt), len(one.ids)):
            allowed = grammar.mask(grammar.read(one.ids[:t]))[0] if constrained else np.ones(113, dtype=np.bool_)
            nats -= log_probs[t, one.ids[t]] - np.log(np.exp(log_probs[t])[allowed].sum())
        assert one.bits == pytest.approx(nats / math.log(2))


def test_where_nothing_is_left_to_choose_no_bit_is_drawn(network: Network) -> None:
    whole = encode_record(np.zeros((2, 2), dtype=np.uint8), "a", VOCABULARY)
    done, ends = draw_records(network, VOCABULARY, [whole, whole[:9]], config=SampleConfig(max_side=2, max_caption=1))
    assert np.array_equal(done.ids, whole)
    assert done.bits == 0
    assert ends.bits > 0


@pytest.mark.parametrize("order", ORDERS)
def test_without_the_grammar_what_is_drawn_is_bounded_and_judged_by_it(network: Network, order: Order) -> None:
    how = SampleConfig(max_side=5, max_caption=12, constrained=False)
    grammar = Grammar(VOCABULARY, order, 5, 12)
    drawn = generate(network, VOCABULARY, [NOTHING] * 30, order, how)
    assert all(1 <= len(ids) <= grammar.longest for ids in drawn)
    assert {len(ids) for ids in drawn} != {grammar.longest}
    for ids in drawn:
        closed = (ids == LF).sum()
        assert len(ids) == grammar.longest or ids[-1] == 0 or (closed == 3 and ids[-1] == LF)
        assert 0 not in ids[:-1]
    assert not all(grammar.accepts(ids) for ids in drawn)
    with pytest.raises(ValueError, match="draw_records"):
        draw_samples(network, VOCABULARY, [NOTHING], order, how)


def test_a_network_that_has_learned_a_record_draws_it_without_the_grammar_too() -> None:
    ids = encode_record(np.array([[3, 4]], dtype=np.uint8), "no", VOCABULARY)

    class Learned(Untamed):
        def step(self, windows: Tensor, state: State, folded: Folded | None = None) -> tuple[Tensor, State]:
            logits, state = super().step(windows, state, folded)
            logits[:, :] = 0
            logits[:, int(ids[self.place])] = 99
            self.place += 1
            return logits, state

        place = 0

    (drawn,) = generate(
        Learned(0, np.zeros(1)), VOCABULARY, [NOTHING], "image_first", SampleConfig(constrained=False, temperature=0.0)
    )
    assert decode_record(drawn, VOCABULARY)[1] == "no"


def test_a_caption_leads_to_a_picture_and_a_picture_to_a_caption(network: Network) -> None:
    told = ["a small one", "b"]
    drawn = draw_samples(network, VOCABULARY, [caption_prompt(text, VOCABULARY) for text in told], "text_first", SMALL)
    assert [sample.caption for sample in drawn] == told
    pictures = [np.full((2, 3), 7, dtype=np.uint8), np.full((4, 1), 9, dtype=np.uint8)]
    written = draw_samples(network, VOCABULARY, [picture_prompt(p, VOCABULARY) for p in pictures], config=SMALL)
    assert all(np.array_equal(s.sprite, p) for s, p in zip(written, pictures, strict=True))


@given(sprites(6), st.sampled_from(["", "half a thing"]), st.data())
@settings(max_examples=20)
def test_the_first_rows_of_a_picture_are_completed(
    network: Network, sprite: np.ndarray, caption: str, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(0, len(sprite) - 1))
    prompt = completion_prompt(sprite, rows, VOCABULARY, caption)
    (one,) = draw_samples(network, VOCABULARY, [prompt], "text_first" if caption else "image_first", SMALL)
    assert one.sprite.shape == sprite.shape
    assert np.array_equal(one.sprite[:rows], sprite[:rows])
    assert not caption or one.caption == caption


def test_a_prompt_may_tell_more_than_is_drawn(network: Network) -> None:
    large = np.zeros((30, 31), dtype=np.uint8)
    (one,) = draw_samples(network, VOCABULARY, [picture_prompt(large, VOCABULARY)], config=SMALL)
    assert one.sprite.shape == (30, 31)
    assert len(one.caption.encode()) <= 12
    (told,) = draw_samples(network, VOCABULARY, [VOCABULARY.encode_text("a" * 50)], "text_first", SMALL)
    assert told.caption == "a" * 50


@pytest.mark.parametrize("order", ORDERS)
def test_without_chance_each_token_is_the_most_probable_allowed_one(network: Network, order: Order) -> None:
    how = SampleConfig(temperature=0.0, max_side=5, max_caption=12)
    (ids,) = generate(network, VOCABULARY, [NOTHING], order, how)
    log_probs = NetworkModel(network).log_probs(ids)
    grammar = Grammar(VOCABULARY, order, 5, 12)
    for t in range(len(ids)):
        allowed = grammar.mask(grammar.read(ids[:t]))[0]
        assert ids[t] == np.where(allowed, log_probs[t], -np.inf).argmax()


def test_it_tells_how_many_records_are_done(network: Network) -> None:
    told: list[tuple[int, int]] = []
    how = SampleConfig(max_side=3, max_caption=5, batch=4)
    draw_records(network, VOCABULARY, [NOTHING] * 10, "image_first", how, lambda done, all_: told.append((done, all_)))
    assert told == sorted(told)
    assert told[-1] == (10, 10)


def test_drawing_leaves_training_as_it_was(network: Network) -> None:
    network.train()
    generate(network, VOCABULARY, [NOTHING], config=SMALL)
    assert network.training
    network.eval()


def test_a_prompt_that_begins_no_record_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="cannot stand where OPEN"):
        generate(network, VOCABULARY, [VOCABULARY.encode_text("ab")])
    with pytest.raises(ValueError, match="the caption is empty"):
        caption_prompt("", VOCABULARY)
    with pytest.raises(ValueError, match="rows is 2, but the picture has 2"):
        completion_prompt(np.zeros((2, 2), dtype=np.uint8), 2, VOCABULARY)
    with pytest.raises(ValueError, match="use its own"):
        generate(network, Vocabulary(extras=("x",)), [NOTHING])


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        generate(Untamed(0, np.array([np.nan])), VOCABULARY, [NOTHING])


def test_no_prompts_give_no_records(network: Network) -> None:
    assert generate(network, VOCABULARY, []) == []
