"""How the pictures and texts of a release were made, in words, from the parameters in its manifest."""

from collections.abc import Iterator, Mapping

from pipeline.recipe import PictureRecipe
from pipeline.release import Manifest

_BEFORE = (  # transform 2 and older: no choices, so nothing stands in the manifest but the side
    "cropped to what is not transparent",
    "shrunk by nearest sampling to at most {side} px on the longer side, the aspect kept, nothing enlarged",
    "laid on white (#fcfcfc) where transparent",
    "each pixel replaced by the nearest palette colour in CIELAB (ΔE76, exact)",
)
_WHITE = (252, 252, 252)  # of transform 2
_DITHER = {
    "none": "without dithering",
    "floyd-steinberg": "with Floyd–Steinberg error diffusion",
    "bayer": "with an ordered Bayer pattern",
}
_DISTANCE = {"cie76": "CIELAB (ΔE76, exact)", "ciede2000": "CIELAB by CIEDE2000"}
_RESAMPLE = {
    "nearest": "by nearest sampling, so that no colour arises that was not drawn",
    "area": "by area averaging",
}


def picture_steps(manifest: Manifest) -> tuple[str, ...]:
    """Return what was done to each picture, in order."""
    if "pictures" not in manifest.transform["parameters"]:
        return tuple(step.format(side=manifest.max_side) for step in _BEFORE)
    return tuple(_steps(manifest.config().pictures))


def _steps(recipe: PictureRecipe) -> Iterator[str]:
    if recipe.crop == "drawn":
        yield "cropped to what is drawn: what is not transparent, or, of an opaque picture, what is not its background"
    if recipe.unscale:
        yield "an exact enlargement by a whole number, such as a 64 px sprite blown up to 256 px, undone"
    yield (
        f"shrunk {_RESAMPLE[recipe.resample]}, to at most {recipe.max_side} px on the longer side, "
        "the aspect kept, nothing enlarged"
    )
    if recipe.outline:
        yield "dark outlines that shrinking had skipped drawn again"
    yield f"laid on #{bytes(recipe.background).hex()} where transparent"
    if recipe.colours:
        yield f"reduced to {recipe.colours} colours by k-means (seed {recipe.seed})"
    yield f"each pixel replaced by the nearest palette colour in {_DISTANCE[recipe.distance]}, {_DITHER[recipe.dither]}"


def background(manifest: Manifest) -> tuple[int, int, int]:
    """Return what transparency became: red, green and blue."""
    return manifest.config().pictures.background if "pictures" in manifest.transform["parameters"] else _WHITE


def caption_facts(manifest: Manifest) -> Mapping[str, int]:
    """Return what bounds a caption: percent of a record it aims at, most characters, least (0 when not asked)."""
    parameters = manifest.transform["parameters"]
    return {
        "share": round(100 * float(parameters.get("text_share", 2 / 3))),
        "most": int(parameters.get("max_caption", 0)),
        "least": int(parameters.get("min_caption", 0)),
    }
