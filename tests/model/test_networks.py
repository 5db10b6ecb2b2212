import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.batches import read_windows
from model.config import CORE_NAMES, Core, Look, ModelConfig
from model.generate import InputStream
from model.language_model import BatchedLanguageModel
from model.network import Network, NetworkModel
from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import ORDERS, Order, encode_record
from tests.strategies import captions, sprites

VOCABULARY = Vocabulary()
cores = st.sampled_from(sorted(CORE_NAMES))


def network(**changes: object) -> Network:
    torch.manual_seed(1)
    config = ModelConfig(**({"d_model": 10, "d_state": 6, "heads": 3, "k": 3, "dropout": 0.3} | changes))  # type: ignore[arg-type]
    return Network(config, len(VOCABULARY)).double().eval()


@settings(max_examples=25)
@given(
    records=st.lists(st.tuples(sprites(5), captions), min_size=1, max_size=3),
    order=st.sampled_from(ORDERS),
    look=st.sampled_from(["ahead", "current"]),
    embedding=st.sampled_from(["pxby", "centre"]),
    core=cores,
)
def test_stepping_through_records_equals_reading_them_whole(
    *, records: list[tuple[np.ndarray, str]], order: Order, look: Look, embedding: str, core: Core
) -> None:
    made = network(look=look, embedding=embedding, core=core)
    rows = [encode_record(sprite, caption, VOCABULARY, order) for sprite, caption in records]
    length = min(map(len, rows))
    whole = torch.stack([made(torch.from_numpy(read_windows(ids, made.config)[:length])[None])[0] for ids in rows])
    stream, state, windows = InputStream(len(rows), made.config, order), made.initial_state(len(rows)), None
    folded = made.embedding.fold()
    windows = stream.first()
    for t in range(length):
        logits, state = made.step(torch.from_numpy(windows), state, folded)
        assert torch.allclose(logits, whole[:, t], rtol=0, atol=1e-12)
        windows = stream.push(np.array([ids[t] for ids in rows], dtype=np.uint8))


@settings(max_examples=25)
@given(sprites(5), captions, st.sampled_from(ORDERS), st.sampled_from(["ahead", "current"]), cores, st.data())
def test_no_later_id_changes_an_earlier_answer(
    sprite: np.ndarray, caption: str, order: Order, look: Look, core: Core, data: st.DataObject
) -> None:
    model = NetworkModel(network(look=look, core=core))
    ids = encode_record(sprite, caption, VOCABULARY, order)
    free = np.flatnonzero(ids >= 58)
    at = int(free[data.draw(st.integers(0, len(free) - 1))])
    changed = ids.copy()
    changed[at] = 58 + (ids[at] - 57) % 55
    before, after = model.log_probs(ids), model.log_probs(changed)
    assert np.array_equal(before[: at + 1], after[: at + 1])
    assert not np.array_equal(before[at + 1 :], after[at + 1 :])


@settings(max_examples=25)
@given(
    st.lists(st.tuples(sprites(6), captions, st.sampled_from(ORDERS)), min_size=1, max_size=6),
    st.integers(1, 900),
    cores,
)
def test_log_probs_do_not_depend_on_batching_or_padding(
    records: list[tuple[np.ndarray, str, Order]], batch_tokens: int, core: Core
) -> None:
    made = network(core=core)
    rows = [encode_record(sprite, caption, VOCABULARY, order) for sprite, caption, order in records]
    together = NetworkModel(made, batch_tokens=batch_tokens).batch_log_probs(rows)
    for ids, found in zip(rows, together, strict=True):
        assert found.shape == (len(ids), len(VOCABULARY))
        assert np.allclose(found, NetworkModel(made).log_probs(ids), rtol=0, atol=1e-12)
        assert np.allclose(np.exp(found).sum(axis=1), 1)


def test_a_network_is_a_batched_language_model_and_counts_its_parameters() -> None:
    made = network()
    model = NetworkModel(made, name="tiny")
    assert isinstance(model, BatchedLanguageModel)
    assert (model.name, model.kind, model.parameters) == ("tiny", "network", sum(p.numel() for p in made.parameters()))


@pytest.mark.parametrize(("core", "name"), sorted(CORE_NAMES.items()))
def test_a_network_is_named_after_its_core(core: Core, name: str) -> None:
    assert NetworkModel(network(core=core)).name == name


def test_asking_leaves_training_as_it_was() -> None:
    made = network().train()
    ids = encode_record(np.zeros((2, 2), dtype=np.uint8), "a", VOCABULARY)
    model = NetworkModel(made)
    assert np.array_equal(model.log_probs(ids), model.log_probs(ids))
    assert made.training


@pytest.mark.parametrize("layers", [1, 3])
def test_the_core_starts_from_nothing_and_keeps_its_batch_apart(layers: int) -> None:
    core = network(layers=layers).core
    x = torch.randn(3, 4, 10, dtype=torch.float64)
    assert torch.allclose(core(x)[1], core(x[1:2])[0], rtol=0, atol=1e-12)
    state = core.initial_state(3)
    assert len(state) == layers
    assert all(part.shape == (3, 6) and not part.any() for layer in state for part in layer)
