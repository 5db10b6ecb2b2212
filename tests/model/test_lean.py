from typing import Literal, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import model.generate
from model.config import Core, ModelConfig
from model.generate import SampleConfig, generate
from model.lean import FEW, LeanNetwork, lean_network
from model.network import Network
from palettes.vocabulary import Vocabulary
from pipeline.windows import causal_mask

VOCABULARY = Vocabulary()
CORES: tuple[Core, ...] = ("lstm", "transformer")
# embedding, k, whether it has a convolution, D, N, layers
sizes = st.tuples(
    st.sampled_from(["pxby", "centre"]), st.sampled_from([1, 3, 5]), st.booleans(),
    st.sampled_from([8, 24]), st.sampled_from([8, 16]), st.integers(1, 3),
)  # fmt: skip


def stirred(config: ModelConfig, kind: torch.dtype = torch.float64) -> Network:
    """Return a network none of whose parameters is 0 or 1, as some are when they are new."""
    torch.manual_seed(0)
    made = Network(config, len(VOCABULARY)).to(kind).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) / 5)
    return made


def windows_of(config: ModelConfig, batch: int, length: int, seed: int = 0) -> torch.Tensor:
    rng, k = np.random.default_rng(seed), config.k
    ids = rng.integers(0, len(VOCABULARY), (batch, length, k, k), dtype=np.uint8)
    return torch.from_numpy(ids * causal_mask(k))


@torch.inference_mode()
def read_on(made: Network, windows: torch.Tensor, given: int) -> tuple[LeanNetwork, torch.Tensor]:
    """Return what reads on, and the logits from the last of the `given` windows on."""
    lean = lean_network(made, windows[:, :given])
    assert lean is not None
    later = [torch.from_numpy(lean.read(window.numpy())) for window in windows[:, given:].unbind(1)]
    return lean, torch.stack([lean.logits, *later], dim=1)


@pytest.mark.parametrize("core", CORES)
@settings(max_examples=15)
@given(sizes, st.integers(1, FEW), st.integers(1, 5), st.integers(0, 99))
def test_a_few_records_are_read_in_numpy_as_by_the_network(
    core: Core, size: tuple[Literal["pxby", "centre"], int, bool, int, int, int], batch: int, given: int, seed: int
) -> None:
    embedding, k, conv, width, states, layers = size
    config = ModelConfig(core=core, embedding=embedding, k=k, conv=conv, d_model=width, d_state=states, layers=layers)
    made, windows = stirred(config), windows_of(config, batch, 9, seed)
    with torch.inference_mode():
        expected = made(windows)[:, given - 1 :]
    assert torch.allclose(read_on(made, windows, given)[1], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("core", CORES)
def test_the_answers_stay_over_many_tokens_in_single_precision_too(core: Core) -> None:
    config = ModelConfig(core=core, d_model=24, d_state=16, k=3)
    made, windows = stirred(config, torch.float32), windows_of(config, 1, 200)
    with torch.inference_mode():
        expected = made(windows)[:, 1:]
    assert torch.allclose(read_on(made, windows, 2)[1], expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("core", CORES)
def test_some_records_are_read_on_in_any_order(core: Core) -> None:
    config = ModelConfig(core=core, d_model=24, d_state=16, k=3)
    made, windows = stirred(config), windows_of(config, 3, 6)
    whom = [2, 0, 2, 1]
    with torch.inference_mode():
        lean, expected = lean_network(made, windows[:, :3]), made(windows)[whom, 3:]
        assert lean is not None
        lean.select(np.array(whom))
        found = [torch.from_numpy(lean.read(window.numpy())) for window in windows[whom, 3:].unbind(1)]
    assert torch.allclose(torch.stack(found, dim=1), expected, rtol=0, atol=1e-12)


def test_what_numpy_cannot_follow_is_left_to_torch() -> None:
    class Another(Network):
        pass

    config = ModelConfig(d_model=8, d_state=8, k=1)
    windows = windows_of(config, FEW + 1, 2)
    assert lean_network(stirred(config), windows) is None  # too many
    few = windows[:1]
    assert lean_network(stirred(config), few) is not None
    assert lean_network(stirred(config).train(), few) is None
    assert lean_network(stirred(config).bfloat16(), few) is None
    assert lean_network(Another(config, len(VOCABULARY)).eval(), few) is None
    assert lean_network(stirred(ModelConfig(core="mamba", d_model=8, d_state=8, k=1)), few) is None
    more = stirred(config)
    more.memory = torch.nn.Linear(1, 1)  # a part that is not known
    assert lean_network(more, few) is None


@pytest.mark.parametrize("core", get_args(Core))
def test_what_is_drawn_is_the_same_as_without_it(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stirred(ModelConfig(core=core, d_model=16, d_state=8, k=3))
    told = [VOCABULARY.encode_text(text) for text in ("a", "ab" * 40, "")][: FEW - 1]  # beyond the first room for keys
    how = SampleConfig(max_side=5, max_caption=90, seed=3)
    drawn = generate(made, VOCABULARY, told, "text_first", how)
    monkeypatch.setattr(model.generate, "FEW", 0)
    stepped = generate(made, VOCABULARY, told, "text_first", how)
    assert [ids.tobytes() for ids in drawn] == [ids.tobytes() for ids in stepped]
