"""How a command says that a preset is to be trained otherwise: each option is a field of its recipe."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from model.config import TrainConfig
from model.config_checks import require_bounded, require_kinds
from model.presets import DEFAULT_PRESET, Preset, preset_of

TRAINING = Group(
    "Training", help="What is not given is as the preset says; a changed recipe is another run.", sort_key=9
)


def _option(text: str, name: str | None = None) -> Parameter:
    return Parameter(name=name, help=text, group=TRAINING)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What a command changes of a preset's recipe; None leaves it as it is."""

    device: Annotated[
        Literal["cpu", "cuda", "auto"] | None, _option("where it computes; auto: on a GPU where there is one")
    ] = None
    bf16: Annotated[bool | None, _option("compute in half precision; on a GPU only, so with --device cuda")] = None
    compiled: Annotated[
        bool | None, _option("let torch compile the network; on a GPU only, so with --device cuda", "--compile")
    ] = None
    mirror: Annotated[
        float | None, _option("share of records shown left for right, never where the text tells sides")
    ] = None
    epochs: Annotated[int | None, _option("times that every record is read")] = None
    patience: Annotated[
        int | None, _option("stop after so many evaluations without a better validation; best weights are kept anyway")
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The fields of the recipe that were given."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def named(field: str) -> str:
        """Return the option that gives a field."""
        return "--compile" if field == "compiled" else f"--{field}"


AS_THE_PRESET_SAYS = TrainingOptions()


def trained_preset(
    preset: str | None, core: str | None, seed: int | None, recipe: dict[str, Any] | None = None
) -> Preset:
    """Return a preset with what was given in its place; ValueError for a name or a value that cannot be."""
    changes = recipe or {}
    require_kinds(TrainConfig, changes)
    require_bounded(changes)
    found = preset_of(preset or DEFAULT_PRESET, core)
    train = found.train.to_json() | ({} if seed is None else {"seed": seed}) | changes
    return replace(found, train=TrainConfig.from_json(train))
