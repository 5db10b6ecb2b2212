"""The losses that this recipe had before training could do more: they must stay, for runs to be comparable."""

from pathlib import Path

import pytest

from model.config import ModelConfig, TrainConfig
from model.train import Progress, train
from tests.stripes import Enough, stripes_data

SMALL = ModelConfig(layers=1, d_state=192, token_width=16)  # as the preset `small` was
RECIPE = TrainConfig(threads=1, batch_tokens=400)
# bits per token, over the epoch so far, after each of the first 20 steps
TRAIN_BITS = (
    7.083860028645332, 6.655878272735708, 6.538058709526859, 6.38409601324704, 6.34924549392157,
    5.618346864487612, 5.484469351311377, 5.547281996788071, 5.493287653468918, 5.502697640474166,
    5.134612480831172, 5.106945527475569, 5.121092661709136, 5.195734498297404, 5.082556128471203,
    5.056631020210334, 4.949168449543704, 4.730170624034584, 4.689256747265097, 4.6674699437812714,
)  # fmt: skip
VALIDATION_BITS = (243.29818212399812, 247.30812410807053, 225.92098903948198)  # per record, after epochs 1 to 3


def test_the_small_recipe_has_the_losses_that_it_always_had(tmp_path: Path) -> None:
    steps: dict[int, float] = {}
    epochs: dict[int, float] = {}

    def see(at: Progress) -> None:
        if at.step in steps and at.validation_bits is not None:
            epochs[at.epoch] = at.validation_bits
        steps[at.step] = at.train_bits
        if at.step >= 20:
            raise Enough

    with pytest.raises(Enough):
        train(stripes_data(), SMALL, RECIPE, tmp_path, see)
    assert tuple(steps.values()) == pytest.approx(TRAIN_BITS, rel=1e-5)
    assert tuple(epochs.values()) == pytest.approx(VALIDATION_BITS, rel=1e-5)


def test_a_recipe_of_before_keeps_its_name() -> None:
    assert TrainConfig().digest().startswith("24c7554fa5ca3d12")
    assert TrainConfig(threads=1, seed=3).digest().startswith("b93a6ce365282751")
    assert ModelConfig().digest().startswith("038366353e7c488f")
    assert TrainConfig(mirror=0.5).digest() != TrainConfig().digest()
