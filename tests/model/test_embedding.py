import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.config import ModelConfig
from model.embedding import CentreEmbed, PxByEmbed, build_embedding
from pipeline.windows import causal_windows

VOCABULARY_SIZE = 113


def causal(k: int, seed: int) -> torch.Tensor:
    """Windows of two random grids, zeros among the ids."""
    rng = np.random.default_rng(seed)
    grids = rng.integers(0, VOCABULARY_SIZE, (2, 4, 5)).astype(np.uint8)
    return torch.from_numpy(np.stack([causal_windows(grid, k) for grid in grids]))


def embedding(k: int, *, conv: bool = True, d_model: int = 12, width: int | None = None) -> PxByEmbed:
    torch.manual_seed(k)
    made = PxByEmbed(ModelConfig(k=k, d_model=d_model, conv=conv, token_width=width), VOCABULARY_SIZE).double()
    torch.nn.init.normal_(made.gate)
    return made


def gradients(made: PxByEmbed, out: torch.Tensor) -> dict[str, torch.Tensor]:
    made.zero_grad()
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    (out * weights.sin()).sum().backward()
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


@given(k=st.sampled_from([1, 3, 5, 7]), conv=st.booleans(), seed=st.integers(0, 99))
def test_the_folded_form_gives_the_outputs_and_gradients_of_the_definition(k: int, *, conv: bool, seed: int) -> None:
    made, windows = embedding(k, conv=conv), causal(k, seed)
    folded, unfolded = made(windows), made.unfolded(windows)
    assert torch.allclose(folded, unfolded, rtol=0, atol=1e-12)
    ours, theirs = gradients(made, folded), gradients(made, unfolded)
    assert set(ours) == set(theirs) == {name for name, _ in made.named_parameters()}
    for name, gradient in theirs.items():
        assert torch.allclose(ours[name], gradient, rtol=1e-12, atol=1e-12), name


def test_tables_made_once_give_the_same_as_tables_made_each_time() -> None:
    made, windows = embedding(3), causal(3, 0)
    assert torch.equal(made(windows, made.fold()), made(windows))


@pytest.mark.parametrize(("d_model", "expected"), [(81, 8_568), (36, 4_788), (162, 31_707)])
def test_the_parameters_are_as_many_as_the_paper_counts(d_model: int, expected: int) -> None:
    made = PxByEmbed(ModelConfig(d_model=d_model, k=3), VOCABULARY_SIZE)
    assert sum(p.numel() for p in made.parameters()) == expected


def test_every_visible_cell_and_no_other_makes_a_difference_to_the_folded_form() -> None:
    made, windows = embedding(3), torch.zeros(1, 1, 3, 3, dtype=torch.uint8)
    plain = made(windows)
    seen = []
    for cell in range(9):
        changed = windows.clone()
        changed.view(-1)[cell] = 70
        seen.append(not torch.equal(made(changed), plain))
    assert seen == [True] * 5 + [False] * 4


def test_the_centre_embedding_sees_the_centre_alone() -> None:
    made = build_embedding(ModelConfig(k=3, embedding="centre"), VOCABULARY_SIZE)
    assert isinstance(made, CentreEmbed)
    windows = causal(3, 1)
    around = windows.clone()
    around[..., 0, :] = 5
    centre = windows.clone()
    centre[..., 1, 1] = 5
    assert torch.equal(made(windows), made(around))
    assert not torch.equal(made(windows), made(centre))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"k": 4}, "odd k"),
        ({"core": "transformer", "d_state": 20}, "d_state is 20 with 4 heads.*multiple of 8"),
        ({"heads": 0}, "heads is 0"),
        ({"d_conv": 0}, "d_conv is 0"),
        ({"d_inner": 0}, "d_inner is 0"),
        ({"token_width": 0}, "token_width is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"layers": 0}, "layers is 0"),
    ],
)
def test_a_config_that_cannot_be_built_says_why(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelConfig(**values)


def test_a_config_comes_back_from_json_and_knows_foreign_fields() -> None:
    config = ModelConfig(d_model=40, token_width=7)
    assert ModelConfig.from_json(config.to_json()) == config
    assert config.digest() != ModelConfig().digest()
    with pytest.raises(ValueError, match="no field 'width'"):
        ModelConfig.from_json({"width": 3})
