import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.networks import scan
from model.networks.scan import chunk_length, log_depth_is_faster, selective_scan

ALWAYS, NEVER = 2**40, 0  # the widest state that the scan of logarithmic depth takes


def one_by_one(tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The definition, in float64."""
    u, dt, decay, b, c, h = (x.double() for x in tensors)
    found = []
    for t in range(u.shape[1]):
        h = torch.exp(dt[:, t, :, None] * decay) * h + (dt[:, t] * u[:, t])[:, :, None] * b[:, t, None]
        found.append((h * c[:, t, None]).sum(-1))
    return torch.stack(found, dim=1), h


def scanned(tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
    u, dt, decay, b, c, h = tensors
    return selective_scan((u, dt), decay, (b, c), h)


def drawn(batch: int, length: int, channels: int, states: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    made = torch.Generator().manual_seed(length)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, dtype=dtype, generator=made)

    u, b, c = (2 * rand(batch, length, width) - 1 for width in (channels, states, states))
    found = [u, rand(batch, length, channels) / 2, -4 * rand(channels, states), b, c, rand(batch, channels, states)]
    return [x.requires_grad_() for x in found]


def ways(monkeypatch: pytest.MonkeyPatch, widest: int, chunk: int) -> None:
    monkeypatch.setattr(scan, "LOOP_NUMBERS", widest)
    monkeypatch.setattr(scan, "chunk_length", lambda *_: chunk)


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([ALWAYS, NEVER]),
    st.integers(1, 20),
)
def test_both_ways_equal_the_definition_in_answers_states_and_gradients(
    shape: tuple[int, int, int, int], widest: int, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        ways(patch, widest, chunk)
        tensors = drawn(*shape)
        gradients = []
        for y, after in (found := [scanned(tensors), one_by_one(tensors)]):
            weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
            gradients.append(torch.autograd.grad((y * weights).sum() + after.square().sum(), tensors))
        for ours, defined in zip((*found[0], *gradients[0]), (*found[1], *gradients[1]), strict=True):
            assert torch.allclose(ours, defined, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("widest", [ALWAYS, NEVER])
def test_the_backward_pass_agrees_with_finite_differences(monkeypatch: pytest.MonkeyPatch, widest: int) -> None:
    ways(monkeypatch, widest, 3)
    assert torch.autograd.gradcheck(lambda *tensors: scanned(list(tensors)), drawn(2, 5, 2, 3))


@pytest.mark.parametrize("widest", [ALWAYS, NEVER])
def test_single_precision_stays_within_a_millionth_of_the_definition(
    monkeypatch: pytest.MonkeyPatch, widest: int
) -> None:
    ways(monkeypatch, widest, 64)
    tensors = drawn(2, 500, 6, 16, torch.float32)
    (y, after), (defined, defined_after) = scanned(tensors), one_by_one(tensors)
    assert (y - defined).abs().max() <= 1e-6 * defined.abs().max()
    assert (after - defined_after).abs().max() <= 1e-6 * defined_after.abs().max()


def test_a_state_that_is_not_given_is_zero() -> None:
    u, dt, decay, b, c, h = drawn(2, 9, 3, 2)
    assert torch.equal(selective_scan((u, dt), decay, (b, c))[0], scanned([u, dt, decay, b, c, torch.zeros_like(h)])[0])


def test_what_is_kept_for_the_backward_pass_grows_with_the_sequence_but_not_with_all_its_states() -> None:
    def kept(length: int) -> int:
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            scanned(drawn(2, length, 64, 32))
        return sum(sizes)

    states = 2 * 64 * 32
    short, long = kept(1000), kept(4000)
    assert 3 * short < long < 4.5 * short
    assert long < 4000 * states / 8


def test_narrow_states_are_scanned_and_wide_ones_read_in_a_loop() -> None:
    assert log_depth_is_faster(64 * 16, cuda=False)
    assert not log_depth_is_faster(8 * 162 * 64, cuda=False)
    assert log_depth_is_faster(8 * 162 * 64, cuda=True)
    assert chunk_length(8 * 162 * 64, cuda=False) == 8 < chunk_length(64 * 16, cuda=False) == 512
