"""A source says how its records are made; a command may say otherwise, for once."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from flows.errors import UsageError
from flows.recipe_options import RecipeOptions
from pipeline.build import build
from pipeline.crawl.source_files import SOURCE_FOLDER, load_source, source_from_table
from pipeline.recipe import BuildConfig, PictureRecipe
from tests.raw_stores import creatures, make_store, sample_source

SAMPLE = (SOURCE_FOLDER / "sample.toml").read_text(encoding="utf-8")
FOLDER = (SOURCE_FOLDER / "folder.toml").read_text(encoding="utf-8")
PHOTOGRAPHS = """
[build]
k = 5
windows = [3, 5]
palette = "mine.gpl"

[build.pictures]
resample = "area"
colours = 16
dither = "bayer"
background = [0, 0, 0]
"""
TWO_COLOURS = "GIMP Palette\n0 0 0\n255 255 255\n"


def test_a_source_says_how_its_records_are_made_and_its_palette_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SAMPLE + PHOTOGRAPHS, encoding="utf-8")
    (tmp_path / "mine.gpl").write_text(TWO_COLOURS)
    source = load_source(tmp_path / "s.toml")
    pictures = PictureRecipe(resample="area", colours=16, dither="bayer", background=(0, 0, 0))
    assert source.build == BuildConfig(k=5, windows=(3, 5), palette=str(tmp_path / "mine.gpl"), pictures=pictures)
    assert len(source.build.vocabulary()) == 60
    assert source_from_table(json.loads(json.dumps(asdict(source))), where="json") == source


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("[build]\nk = 4", "k is 4"),
        ("[build]\nwindow = [3]", "unknown key 'window'"),
        ('[build.pictures]\ndither = "random"', "choose one of 'none', 'floyd-steinberg', 'bayer'"),
        ("[build.pictures]\nbackground = [0, 0, 300]", "give red, green and blue"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(tmp_path: Path, rules: str, message: str) -> None:
    (tmp_path / "s.toml").write_text(f"{SAMPLE}\n{rules}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        load_source(tmp_path / "s.toml")


def test_a_folder_that_came_from_anywhere_names_no_palette_outside(tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    (tmp_path / "mine.gpl").write_text(TWO_COLOURS)
    (folder / "source.toml").write_text(f'{FOLDER}\n[build]\npalette = "../mine.gpl"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="outside its folder"):
        load_source(folder)


def test_what_a_command_gives_goes_over_what_the_source_says_and_the_rest_stays() -> None:
    said = BuildConfig(k=5, pictures=PictureRecipe(resample="area", dither="bayer"))
    changed = RecipeOptions(windows=(5, 3, 5), palette="nes", dither="none").over(said)
    assert changed == BuildConfig(k=5, windows=(3, 5), pictures=PictureRecipe(resample="area"))
    assert RecipeOptions().over(said) == said


@pytest.mark.parametrize(
    ("given", "message"),
    [({"k": 2}, "k is 2"), ({"palette": "vga"}, "palette 'vga' is not known"), ({"max_side": 0}, "max_side is 0")],
)
def test_what_cannot_be_is_the_commands_fault(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RecipeOptions(**given).over(BuildConfig())  # type: ignore[arg-type]


def test_a_release_keeps_its_recipe_and_no_path_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "two shades.gpl").write_text(TWO_COLOURS)
    recipe = BuildConfig(palette=str(tmp_path / "two shades.gpl"), pictures=PictureRecipe(dither="bayer"))
    store = make_store(tmp_path / "raw", creatures(8))
    release = build(sample_source(), store, tmp_path / "out", name="pixelbytes/x", config=recipe)
    told = release.manifest.config()
    assert told.pictures == recipe.pictures
    assert str(tmp_path) not in (release.folder / "manifest.json").read_text()
    assert len(release.vocabulary) == 60
