"""Named recipes: a model and its training, so that a run can be repeated by one word."""

from dataclasses import dataclass, replace
from typing import cast, get_args

from model.config import Core, ModelConfig, TrainConfig

DEFAULT_PRESET = "small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A recipe and its name."""

    name: str
    about: str
    model: ModelConfig
    train: TrainConfig


PRESETS = {
    "small": Preset(
        name="small",
        about="280,000 parameters, about four minutes on one CPU core",
        model=ModelConfig(layers=1, d_state=192, token_width=16),
        # one thread: two gain little at this size, and wait for each other a hundredfold when another process runs
        train=TrainConfig(threads=1),
    ),
    "tiny": Preset(
        name="tiny",
        about="seconds; to see that everything runs, not to draw well",
        model=ModelConfig(d_model=24, d_state=24, layers=1, k=3),
        train=TrainConfig(epochs=2, batch_tokens=8192, threads=1),
    ),
}


def preset_of(name: str, core: str = "lstm", seed: int = 0) -> Preset:
    """Return a preset with another core or seed; ValueError for a name or core that is not known."""
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is not known: choose one of {', '.join(PRESETS)}.")
    if core not in get_args(Core):
        raise ValueError(f"core {core!r} is not known: choose one of {', '.join(get_args(Core))}.")
    found = PRESETS[name]
    return replace(found, model=replace(found.model, core=cast("Core", core)), train=replace(found.train, seed=seed))
