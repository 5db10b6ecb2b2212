"""How a command says that a dataset is to be made otherwise than its source says."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from cyclopts import Group, Parameter

from flows.errors import given_by_user
from pipeline.recipe import BuildConfig, Distance, Dither, Resample

RECIPE = Group("Recipe", help="How records are made; what is not given is as the source says.", sort_key=9)


def _option(text: str) -> Parameter:
    return Parameter(help=text, group=RECIPE)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """What a command changes of a source's recipe; None leaves it as it is."""

    k: Annotated[int | None, _option("side of a context window, odd")] = None
    windows: Annotated[
        tuple[int, ...] | None, Parameter(negative="", help="write out windows too: their sides, odd", group=RECIPE)
    ] = None
    palette: Annotated[str | None, _option("a name in palettes/, or the path of a .gpl, .hex or .pal file")] = None
    max_side: Annotated[int | None, _option("px on the longer side of a sprite")] = None
    resample: Annotated[
        Resample | None, _option("how pictures are shrunk: nearest for pixel art, area for photographs")
    ] = None
    colours: Annotated[int | None, _option("colours that photographs are reduced to by k-means; 0: none")] = None
    outline: Annotated[bool | None, Parameter(help="keep dark outlines that shrinking would skip", group=RECIPE)] = None
    distance: Annotated[Distance | None, _option("between colours, in CIELAB")] = None
    dither: Annotated[Dither | None, _option("how colours between those of the palette are mixed")] = None

    def over(self, config: BuildConfig) -> BuildConfig:
        """Return a source's recipe with what was given in its place; UsageError when that cannot be."""
        given: dict[str, Any] = {name: value for name, value in asdict(self).items() if value is not None}
        own = {name: given.pop(name) for name in ("k", "windows", "palette") if name in given}
        if "windows" in own:
            own["windows"] = tuple(sorted(set(own["windows"])))
        with given_by_user():
            changed = replace(config, **own, pictures=replace(config.pictures, **given))
            changed.vocabulary()  # speaks of a palette that is not known
        return changed


AS_THE_SOURCE_SAYS = RecipeOptions()
