"""Evidence is causal and exact: what it adds depends on what was read alone, and on no record's own future."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.batches import read_windows
from model.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from model.config import Core, ModelConfig, TrainConfig, require_causal_loss
from model.followers import followers
from model.generate import SampleConfig, generate
from model.grams import NO_KEY, Grams
from model.metrics import score
from model.network import Network, NetworkModel
from model.token_table import TokenTable
from palettes.vocabulary import LF, Vocabulary
from pipeline.records import DatasetVersion
from pipeline.tokenizer import encode_record, reorder

VOCABULARY = Vocabulary()
CORES: tuple[Core, ...] = ("lstm", "transformer", "mamba")


def config_of(core: Core = "lstm", k: int = 5, counted: int = 400) -> ModelConfig:
    return ModelConfig(core=core, d_model=16, d_state=16, layers=1, k=k, dropout=0.0, evidence=True, counted=counted)


def records(count: int = 6, seed: int = 0) -> TokenTable:
    dice = np.random.default_rng(seed)
    made = []
    for i in range(count):
        sprite = dice.integers(0, 4, (3 + i % 2, 4), dtype=np.uint8)
        made.append((str(i), encode_record(sprite, "a cat, a hat, a bat" + "!" * (i % 3), VOCABULARY)))
    return TokenTable.from_records(made)


def network_of(config: ModelConfig, table: TokenTable | None = None) -> Network:
    """A network whose evidence counts for something."""
    torch.manual_seed(0)
    network = Network(config, len(VOCABULARY))
    network.learn_counts(table or records())
    assert network.evidence is not None
    for parameter in network.evidence.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.double().eval()


def windows_of(ids: np.ndarray, config: ModelConfig) -> Tensor:
    return torch.from_numpy(read_windows(ids, config))[None]


@given(
    keys=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    tokens=st.lists(st.integers(0, 4), min_size=12, max_size=12),
)
def test_followers_are_those_of_a_loop_over_pairs(keys: list[int], tokens: list[int]) -> None:
    n = len(keys)
    told = torch.nn.functional.one_hot(torch.tensor(tokens[:n]), 5).float()
    before = torch.zeros(n, 5)
    everywhere = torch.zeros(n, 5)
    for t in range(n):
        for s in range(n):
            if keys[s] == keys[t]:
                everywhere[t] += told[s]
                before[t] += told[s] * (s < t)
    assert torch.equal(followers(torch.tensor(keys), told), before)
    assert torch.equal(followers(torch.tensor(keys), told, whole=True), everywhere)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("k", [3, 5])
def test_steps_and_prompts_of_any_length_answer_as_the_whole_record(core: Core, k: int) -> None:
    config = config_of(core, k)
    network = network_of(config)
    windows = windows_of(records(seed=1).record(0), config)
    with torch.inference_mode():
        whole = network(windows)
        for told in (1, 2, 17, windows.shape[1] - 1):
            answers, state = network.prefill(windows[:, :told], network.initial_state(1))
            rows = [answers]
            for t in range(told, windows.shape[1]):
                one, state = network.step(windows[:, t], state)
                rows.append(one[:, None])
            torch.testing.assert_close(torch.cat(rows, dim=1), whole, atol=1e-10, rtol=0)


@settings(max_examples=25, deadline=None)
@given(at=st.integers(0, 40), token=st.integers(1, len(VOCABULARY) - 1))
def test_no_later_token_changes_an_earlier_answer(at: int, token: int) -> None:
    config = config_of()
    network = network_of(config)
    ids = records(seed=2).record(1)
    windows = windows_of(ids, config)
    after = windows.clone()
    at = min(at, len(ids) - 1)
    after[0, at + 1 :] = token  # whatever is read later
    with torch.inference_mode():
        assert torch.equal(network(windows)[0, : at + 1], network(after)[0, : at + 1])


def test_answers_do_not_depend_on_padding_or_neighbours() -> None:
    config = config_of()
    model = NetworkModel(network_of(config))
    table = records(seed=3)
    together = model.batch_log_probs([table.record(i) for i in range(len(table))])
    for i, rows in enumerate(together):
        # evidence is kept in single precision, whose last bit may hang on where a vector of the processor ends
        np.testing.assert_allclose(rows, model.log_probs(table.record(i)), rtol=0, atol=1e-5)
        np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1, atol=1e-9)


def test_a_training_record_is_not_told_its_own_n_grams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted with it and taken off again, or never counted: the same evidence for each place of it."""
    monkeypatch.setattr("model.grams.TOLD", 1.0)
    config = config_of(counted=4000)
    table = records()
    rest = TokenTable.from_records([(table.record_ids[i], table.record(i)) for i in range(1, len(table))])
    counted, without = network_of(config, table), network_of(config, rest)
    both = [read_windows(table.record(0), config), read_windows(reorder(table.record(0), "text_first"), config)]
    for windows in both:
        padded = torch.from_numpy(np.concatenate([windows, np.zeros((7, 5, 5), dtype=np.uint8)]))[None]
        counted.train()
        with torch.inference_mode():
            learning, fresh = counted(padded)[0, : len(windows)], without(padded)[0, : len(windows)]
        torch.testing.assert_close(learning[:-1], fresh[:-1], atol=1e-10, rtol=0)


def test_while_training_some_records_are_told_nothing_of_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of()
    windows = windows_of(records().record(0), config).repeat(40, 1, 1, 1)
    network = network_of(config).train()
    with torch.inference_mode():
        sums = network(windows).sum(dim=(1, 2))
        assert len(sums.round(decimals=6).unique()) == 2
        monkeypatch.setattr("model.grams.TOLD", 0.0)
        assert len(network(windows).sum(dim=(1, 2)).round(decimals=6).unique()) == 1


def test_what_a_record_lifted_into_a_full_table_is_hidden_from_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a count below the least one held would say: this is what stands in your text."""
    monkeypatch.setattr("model.grams.TOLD", 1.0)
    config = config_of(counted=12)
    table = records(9)
    counted = network_of(config, table)
    assert counted.evidence is not None
    grams = counted.evidence.grams
    assert grams is not None
    least = int(grams.counts.min())
    assert least > 1
    seen: list[Tensor] = []
    monkeypatch.setattr(grams, "_odds", lambda found: seen.append(found) or Grams._odds(grams, found))
    with torch.inference_mode():
        counted.train()(windows_of(table.record(0), config))
    assert seen
    assert bool(((seen[0] == 0) | (seen[0] >= least)).all())


@pytest.mark.parametrize("records_", [1, 3, 1500])
def test_records_asked_together_tell_each_other_nothing(records_: int) -> None:
    config = config_of()
    model = NetworkModel(network_of(config), batch_tokens=10**6)
    short = encode_record(np.array([[1, 2]], dtype=np.uint8), "a", VOCABULARY)
    long = encode_record(np.array([[3, 2]], dtype=np.uint8), "a", VOCABULARY)
    together = model.batch_log_probs([long, *[short] * records_])
    np.testing.assert_allclose(together[-1], model.log_probs(short), atol=1e-10)
    np.testing.assert_allclose(together[0], model.log_probs(long), atol=1e-10)


@pytest.mark.parametrize(
    "change",
    [
        lambda keys, _: keys.copy_(keys.flip(0)),
        lambda keys, _: keys[3:5].fill_(int(keys[3])),
        lambda keys, _: keys[:1].fill_(-1),
        lambda keys, _: keys[:1].fill_(127),
        lambda _, counts: counts[:1].fill_(-1),
        lambda _, counts: counts[:1].fill_(2**62),
        lambda _, counts: counts[-1:].fill_(1),
    ],
)
def test_counts_that_were_never_counted_are_refused(change: Callable[[Tensor, Tensor], object]) -> None:
    grams = Grams(config_of())
    grams.learn(records())
    grams.require_sound()
    change(grams.keys, grams.counts)
    with pytest.raises(ValueError, match="not in order"):
        grams.require_sound()


def test_the_papers_targets_and_counts_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="counted is 400 with targets 'last'"):
        require_causal_loss(config_of(), TrainConfig(targets="last", text_first=0.0))


def test_what_has_no_room_is_the_rarest() -> None:
    grams = Grams(config_of(counted=5))
    grams.learn(records())
    assert (grams.keys != NO_KEY).all()
    full = Grams(config_of(counted=5000))
    full.learn(records())
    kept = full.counts.sort(descending=True).values[:5]
    assert sorted(grams.counts.tolist()) == sorted(kept.tolist())
    assert bool((full.keys[1:] >= full.keys[:-1]).all())


def test_what_is_held_is_bounded_by_the_picture_however_long_the_text() -> None:
    config = config_of()
    network = network_of(config)
    ids = encode_record(np.ones((3, 4), dtype=np.uint8), "a long story. " * 40, VOCABULARY)
    assert network.evidence is not None
    for one in (ids, reorder(ids, "text_first")):
        state = network.evidence.initial_state(1)
        for window in windows_of(one, config).unbind(1):
            _, state = network.evidence(torch.zeros(1, 1, 16).double(), window[:, None], state)
        assert state.before.shape[1] < 40


def test_a_fresh_network_with_evidence_is_the_network_without() -> None:
    config = config_of()
    torch.manual_seed(0)
    network = Network(config, len(VOCABULARY))
    network.learn_counts(records())
    windows = windows_of(records().record(0), config)
    with torch.inference_mode():
        x = network.eval().embedding(windows)
        assert torch.equal(network(windows), network.head(network.norm(x + network.core(x))))


def test_counts_travel_in_the_checkpoint(tmp_path: Path) -> None:
    network = network_of(config_of()).float()
    table = records(seed=4)
    dataset = DatasetVersion(repo_id="a/b", tag="v1.0.0", revision="0" * 64, digest="0" * 64)
    info = CheckpointInfo(
        model=network.config,
        vocabulary=VOCABULARY,
        dataset=dataset,
        code_version="",
        training_digest="",
        step=1,
        validation_bits=1.0,
    )
    save_checkpoint(tmp_path / "best", network, info)
    loaded, _ = load_checkpoint(tmp_path / "best")
    a, b = score(NetworkModel(network), table), score(NetworkModel(loaded), table)
    assert np.array_equal(a.bits, b.bits)
    assert loaded.parameters_count == sum(p.numel() for p in loaded.parameters()) + 400


def test_it_draws_whole_records_in_both_orders() -> None:
    network = network_of(config_of()).float()
    nothing = [np.zeros(0, dtype=np.uint8)] * 3
    how = SampleConfig(max_side=6, max_caption=12)
    for order in ("image_first", "text_first"):
        assert all(int((ids == LF).sum()) == 3 for ids in generate(network, VOCABULARY, nothing, order, how))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evidence": True, "look": "current"}, "place to be predicted"),
        ({"evidence": True, "bidirectional": True}, "place to be predicted"),
        ({"evidence": True, "k": 1}, "place to be predicted"),
        ({"counted": 10}, "counted is 10"),
        ({"counted": -1, "evidence": True}, "counted is -1"),
    ],
)
def test_evidence_that_cannot_be_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelConfig.from_json(changes)
