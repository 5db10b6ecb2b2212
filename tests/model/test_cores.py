from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import CORE_NAMES, ModelConfig, TrainConfig, require_causal_loss
from model.network import Network, NetworkModel, build_core
from model.networks import transformer
from model.networks.protocol import Core
from palettes.vocabulary import Vocabulary

D = 10
CORES = sorted(CORE_NAMES)
cores = st.sampled_from(CORES)
EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-12}


def config(**changes: object) -> ModelConfig:
    return ModelConfig(**({"d_model": D, "d_state": 6, "heads": 3, "k": 3, "dropout": 0.3} | changes))  # type: ignore[arg-type]


def made(**changes: object) -> Core[Any]:
    torch.manual_seed(1)
    core: Any = build_core(config(**changes))
    with torch.no_grad():
        for parameter in core.parameters():  # nothing stays at a value, such as 0 or 1, that would hide a mistake
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return core.double().eval()  # type: ignore[no-any-return]


def read(core: Core[Any], x: Tensor, state: Any) -> tuple[Tensor, Any]:
    found = []
    for t in range(x.shape[1]):
        y, state = core.step(x[:, t], state)
        found.append(y)
    return torch.stack(found, dim=1), state


def inputs(batch: int, length: int, seed: int = 0) -> Tensor:
    return torch.randn(batch, length, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15)
@given(cores, st.integers(1, 2), st.integers(1, 2), st.integers(1, 40), st.data(), st.booleans())
def test_reading_whole_equals_stepping_and_a_prompt_of_any_length_then_steps(
    core: str, layers: int, batch: int, length: int, data: st.DataObject, gradients: bool
) -> None:
    reader, x = made(core=core, layers=layers), inputs(batch, length)
    cuts = sorted(data.draw(st.sets(st.integers(1, length - 1), max_size=3))) if length > 1 else []
    with torch.set_grad_enabled(gradients):
        whole, (stepped, _) = reader(x), read(reader, x, reader.initial_state(batch))
        assert torch.allclose(stepped, whole, **EXACT)
        state, parts = reader.initial_state(batch), []
        for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, length], strict=True)):
            way: Callable[..., Any] = read if number == 1 else lambda core, piece, at: core.prefill(piece, at)
            y, state = way(reader, x[:, start:end], state)
            parts.append(y)
        assert torch.allclose(torch.cat(parts, dim=1), whole, **EXACT)


@settings(max_examples=12)
@given(cores, st.integers(1, 2), st.integers(1, 40), st.integers(1, 40))
def test_padding_behind_a_sequence_changes_nothing_in_it(core: str, layers: int, length: int, more: int) -> None:
    reader, x = made(core=core, layers=layers), inputs(2, length + more)
    zeros, noise = x.clone(), x.clone()
    zeros[:, length:], noise[:, length:] = 0, 1e3
    with torch.no_grad():
        assert torch.equal(reader(zeros)[:, :length], reader(noise)[:, :length])
        assert torch.allclose(reader(zeros)[:, :length], reader(x[:, :length]), **EXACT)


@pytest.mark.parametrize("core", CORES)
def test_a_state_is_a_value_that_may_be_read_on_from_twice(core: str) -> None:
    reader, x = made(core=core), inputs(2, 6)
    other = inputs(2, 6, seed=1)
    with torch.inference_mode():
        _, state = reader.prefill(x[:, :3], reader.initial_state(2))
        first, at_first = reader.step(x[:, 3], state)
        second, _ = read(reader, other[:, :3], state)
        again, _ = reader.step(x[:, 4], at_first)
        assert torch.allclose(torch.stack([first, again], 1), reader(x)[:, 3:5], **EXACT)
        assert torch.allclose(second, reader(torch.cat([x[:, :3], other[:, :3]], 1))[:, 3:], **EXACT)


@pytest.mark.parametrize("core", CORES)
def test_a_state_made_for_inference_is_read_on_from_outside_of_it(core: str) -> None:
    reader, x = made(core=core), inputs(1, 4)
    with torch.inference_mode():
        _, state = reader.prefill(x[:, :3], reader.initial_state(1))
    with torch.no_grad():
        assert torch.allclose(reader.step(x[:, 3], state)[0], reader(x)[:, 3], **EXACT)


@pytest.mark.parametrize("core", CORES)
def test_rows_of_a_state_go_on_alone_in_any_order(core: str) -> None:
    reader, x, rows = made(core=core), inputs(3, 8), torch.tensor([2, 0, 0, 1])
    with torch.inference_mode():
        _, state = reader.prefill(x[:, :5], reader.initial_state(3))
        found, _ = read(reader, x[rows, 5:], reader.select(state, rows))
        assert torch.allclose(found, reader(x[rows])[:, 5:], **EXACT)


@pytest.mark.parametrize("core", CORES)
def test_gradients_of_stepping_equal_those_of_reading_whole(core: str) -> None:
    reader: Any = made(core=core)
    x, state = inputs(2, 5), reader.initial_state(2)
    ways = (reader(x), read(reader, x, state)[0], reader.prefill(x, state)[0])
    found = [torch.autograd.grad(y.square().sum(), list(reader.parameters())) for y in ways]
    for whole, stepped, filled in zip(*found, strict=True):
        assert torch.allclose(whole, stepped, rtol=1e-9, atol=1e-12)
        assert torch.allclose(whole, filled, rtol=1e-9, atol=1e-12)


def test_keys_and_values_are_copied_only_when_their_room_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, x, copies = made(core="transformer", layers=1), inputs(1, 140), []
    copy = transformer._copy
    monkeypatch.setattr(transformer, "_copy", lambda *given: (copies.append(given[2]), copy(*given))[1])
    with torch.inference_mode():
        read(reader, x, reader.initial_state(1))
    assert copies == [64, 64, 128, 128, 256, 256]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_bidirectional_first_layer_sees_the_end_from_the_beginning(core: str, layers: int) -> None:
    both, plain, x = made(core=core, layers=layers, bidirectional=True), made(core=core, layers=layers), inputs(2, 7)
    changed = x.clone()
    changed[:, -1, 0] += 1  # in one channel alone: what shifts all of them is lost in a norm
    with torch.no_grad():
        assert both(x).shape == x.shape
        assert not torch.allclose(both(x)[:, 0], both(changed)[:, 0])
        assert torch.equal(plain(x)[:, 0], plain(changed)[:, 0])


@pytest.mark.parametrize("core", CORES)
def test_what_reads_backwards_is_refused_where_the_future_would_leak(core: str) -> None:
    network = Network(config(core=core, bidirectional=True), len(Vocabulary()))
    with pytest.raises(ValueError, match="no state to step"):
        network.initial_state(1)
    with pytest.raises(ValueError, match="gives no likelihood"):
        NetworkModel(network)
    with pytest.raises(ValueError, match="has seen every target but the last"):
        require_causal_loss(network.config, TrainConfig())
    require_causal_loss(network.config, TrainConfig(targets="last"))
    require_causal_loss(config(core=core), TrainConfig())


def test_configs_without_later_fields_keep_their_json_and_digest() -> None:
    old = {
        "core": "lstm", "d_model": 81, "d_state": 64, "layers": 2, "k": 5, "look": "ahead", "embedding": "pxby",
        "conv": True, "token_width": None, "dropout": 0.1,
    }  # fmt: skip
    assert ModelConfig().to_json() == old
    assert ModelConfig.from_json(old) == ModelConfig()
    assert ModelConfig().digest() == "038366353e7c488f59258d856d495f8ae593f22444a4036f552dbd4a57eb622b"
    assert ModelConfig(heads=2).to_json() == old | {"heads": 2}
    assert ModelConfig.from_json(old | {"bidirectional": True}) == ModelConfig(bidirectional=True)


def test_the_parameters_of_an_lstm_are_those_it_always_had() -> None:
    names = [name for name, _ in Network(config(layers=1), len(Vocabulary())).named_parameters() if "core" in name]
    assert names == [f"core.lstm.{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")] + [
        "core.project.weight",
        "core.project.bias",
    ]
