import math

import numpy as np
import pytest
import torch

from model.config import ModelConfig
from model.generate import SampleConfig, caption_prompt, draw_samples, generate, pick, picture_prompt
from model.grammar import Grammar
from model.network import Network, NetworkModel
from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import ORDERS, Order, encode_record

VOCABULARY = Vocabulary()
NOTHING = np.zeros(0, dtype=np.uint8)
SMALL = SampleConfig(max_side=5, max_caption=12)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(2)
    return Network(ModelConfig(d_model=10, d_state=8, k=3), len(VOCABULARY))


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_drawn_from_nothing_is_always_a_record(network: Network, order: Order) -> None:
    samples = draw_samples(network, VOCABULARY, [NOTHING] * 16, order, SMALL)
    grammar = Grammar(VOCABULARY, order, 5, 12)
    assert all(grammar.accepts(sample.ids) for sample in samples)
    for sample in samples:
        assert np.array_equal(encode_record(sample.sprite, sample.caption, VOCABULARY, order), sample.ids)


def test_a_caption_leads_to_a_picture_and_a_picture_to_a_caption(network: Network) -> None:
    told = ["a small one", "b"]
    drawn = draw_samples(network, VOCABULARY, [caption_prompt(text, VOCABULARY) for text in told], "text_first", SMALL)
    assert [sample.caption for sample in drawn] == told
    pictures = [np.full((2, 3), 7, dtype=np.uint8), np.full((4, 1), 9, dtype=np.uint8)]
    written = draw_samples(network, VOCABULARY, [picture_prompt(p, VOCABULARY) for p in pictures], config=SMALL)
    assert all(np.array_equal(s.sprite, p) for s, p in zip(written, pictures, strict=True))


def test_a_half_picture_is_completed(network: Network) -> None:
    half = picture_prompt(np.full((4, 4), 7, dtype=np.uint8), VOCABULARY)[:17]
    (sample,) = draw_samples(network, VOCABULARY, [half], config=SMALL)
    assert np.array_equal(sample.ids[:17], half)
    assert sample.sprite.shape == (4, 4)


def test_the_seed_decides(network: Network) -> None:
    def drawn(seed: int) -> list[bytes]:
        how = SampleConfig(seed=seed, max_side=5, max_caption=12)
        return [ids.tobytes() for ids in generate(network, VOCABULARY, [NOTHING] * 3, config=how)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("order", ORDERS)
def test_without_chance_each_token_is_the_most_probable_allowed_one(network: Network, order: Order) -> None:
    how = SampleConfig(temperature=0.0, max_side=5, max_caption=12)
    (ids,) = generate(network, VOCABULARY, [NOTHING], order, how)
    log_probs = NetworkModel(network).log_probs(ids)
    grammar = Grammar(VOCABULARY, order, 5, 12)
    for t in range(len(ids)):
        allowed = grammar.mask(grammar.read(ids[:t]))[0]
        assert ids[t] == np.where(allowed, log_probs[t], -np.inf).argmax()


def test_top_k_and_top_p_keep_the_most_probable() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(400, 1)
    allowed = torch.ones(400, 4, dtype=torch.bool)

    def kept(how: SampleConfig) -> set[int]:
        return set(pick(logits, allowed, how, torch.Generator().manual_seed(0)).tolist())

    assert kept(SampleConfig()) == {0, 1, 2, 3}
    assert kept(SampleConfig(top_k=2)) == {0, 1}
    assert kept(SampleConfig(top_p=0.6)) == {0, 1}
    assert kept(SampleConfig(top_p=0.4)) == {0}
    assert kept(SampleConfig(temperature=0.0)) == {0}
    allowed[:, 0] = False
    assert kept(SampleConfig(top_k=1)) == {1}


def test_a_low_temperature_sharpens() -> None:
    logits, allowed = torch.tensor([[1.0, 0.0]]).repeat(2000, 1), torch.ones(2000, 2, dtype=torch.bool)
    shares = [
        float(pick(logits, allowed, SampleConfig(temperature=t), torch.Generator().manual_seed(0)).double().mean())
        for t in (0.5, 1.0, 2.0)
    ]
    assert shares == pytest.approx([0.119, 0.269, 0.378], abs=0.03)


def test_a_prompt_that_begins_no_record_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="cannot stand where OPEN"):
        generate(network, VOCABULARY, [VOCABULARY.encode_text("ab")])
    with pytest.raises(ValueError, match="the caption is empty"):
        caption_prompt("", VOCABULARY)
    with pytest.raises(ValueError, match="use its own"):
        generate(network, Vocabulary(extras=("x",)), [NOTHING])


def test_no_prompts_give_no_records(network: Network) -> None:
    assert generate(network, VOCABULARY, []) == []


@pytest.mark.parametrize(
    "values",
    [
        *({"temperature": value} for value in (-1.0, math.nan, math.inf, -math.inf)),
        {"top_k": 0},
        *({"top_p": value} for value in (0.0, 1.1, math.nan, math.inf)),
    ],
)
def test_a_way_of_drawing_that_draws_nothing_is_refused(values: dict[str, float]) -> None:
    ((name, value),) = values.items()
    with pytest.raises(ValueError, match=f"{name} is {value}:"):
        SampleConfig(**values)  # type: ignore[arg-type]
