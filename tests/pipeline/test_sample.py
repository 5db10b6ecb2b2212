"""The bestiary: many creatures, true texts, the same bytes wherever it is drawn."""

import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import UInt8
from PIL import Image

from pipeline.sample.bestiary import (
    SAMPLE_FOLDER,
    SampleRecord,
    load_bestiary,
    longer_side,
    make_bestiary,
    record_line,
    record_of,
    write_bestiary,
)
from pipeline.sample.colours import PALETTE, RAMPS
from pipeline.sample.draw import PLANS, portray
from pipeline.sample.png import encode_png
from pipeline.sample.prose import size_word
from pipeline.sample.traits import Creature

KEYWORDS = {
    "wings": "wings", "ears": "ears", "horns": "horns?", "antennae": "antennae", "crest": "crest", "sprout": "sprout",
    "flame": "flame", "spikes": "spikes", "crystals": "crystals", "sail": "sail", "mane": "mane", "tusks": "tusks",
    "tail": "tail", "beak": "beak", "tentacles": "tentacles", "petals": "petals",
}  # fmt: skip
ANCHORS = {  # what a person would call the colour; independent of the ramps
    "red": (220, 30, 40), "orange": (245, 130, 30), "yellow": (250, 210, 40), "green": (40, 170, 60),
    "teal": (20, 180, 170), "blue": (40, 130, 250), "indigo": (65, 45, 190),
    "purple": (165, 60, 200), "pink": (250, 130, 175), "brown": (140, 85, 30),
    "grey": (130, 130, 138), "white": (235, 238, 245), "black": (30, 30, 34),
}  # fmt: skip


@pytest.fixture(scope="module")
def records() -> tuple[SampleRecord, ...]:
    return load_bestiary(SAMPLE_FOLDER)


@pytest.fixture(scope="module")
def sprites(records: tuple[SampleRecord, ...]) -> dict[str, UInt8[np.ndarray, "_ _ 4"]]:
    folder = SAMPLE_FOLDER / "images"
    return {record.id: np.array(Image.open(folder / record.image).convert("RGBA")) for record in records}


@pytest.fixture(scope="module")
def first_creatures() -> tuple[Creature, ...]:
    return make_bestiary(families=8)


def test_the_committed_bestiary_is_what_the_program_draws(first_creatures: tuple[Creature, ...]) -> None:
    lines = (SAMPLE_FOLDER / "records.jsonl").read_bytes().splitlines(keepends=True)
    for creature, line in zip(first_creatures, lines, strict=False):
        record = record_of(creature)
        assert record_line(record).encode() == line
        committed = (SAMPLE_FOLDER / "images" / record.image).read_bytes()
        assert encode_png(portray(creature.traits)) == committed, record.id


@pytest.mark.slow
def test_writing_the_whole_bestiary_again_changes_no_byte(tmp_path: Path) -> None:
    write_bestiary(tmp_path)
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(SAMPLE_FOLDER): path.read_bytes() for path in SAMPLE_FOLDER.rglob("*") if path.is_file()}
    assert written.keys() == kept.keys()
    assert [path for path in written if written[path] != kept[path]] == []


def test_another_seed_gives_another_bestiary() -> None:
    assert [c.traits for c in make_bestiary(seed=7, families=3)] != [c.traits for c in make_bestiary(families=3)]


def test_it_is_large_and_varied_and_light(records: tuple[SampleRecord, ...]) -> None:
    assert len(records) >= 400
    assert len({record.family for record in records}) >= 120
    assert {record.traits["plan"] for record in records} == set(PLANS)
    assert set(ANCHORS) == {record.traits["main"] for record in records}
    assert len({record.traits["eyes"] for record in records}) >= 6
    files = [path for path in SAMPLE_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert (SAMPLE_FOLDER / "contact-sheet.png").stat().st_size < 200_000


def test_names_ids_and_numbers_do_not_clash(records: tuple[SampleRecord, ...]) -> None:
    assert len({record.id for record in records}) == len(records)
    assert len({(record.name, record.form) for record in records}) == len(records)
    assert sorted({record.number for record in records}) == list(range(1, max(r.number for r in records) + 1))
    assert len({record.name for record in records}) == max(record.number for record in records)
    for record in records:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", record.id)
        assert re.fullmatch(r"[A-Za-zéôû]+([ -][A-Za-zéôû]+)*", record.name)
    assert any(not record.name.isascii() for record in records)


def test_sprites_are_pixel_art_on_transparency(
    records: tuple[SampleRecord, ...], sprites: dict[str, UInt8[np.ndarray, "_ _ 4"]]
) -> None:
    inks = np.array([(r << 16) + (g << 8) + b for r, g, b in PALETTE])
    for record in records:
        sprite = sprites[record.id]
        assert 32 <= max(sprite.shape[:2]) <= 96
        assert not sprite[[0, 0, -1, -1], [0, -1, 0, -1], 3].any()
        assert set(np.unique(sprite[..., 3])) == {0, 255}
        solid = sprite[sprite[..., 3] == 255][:, :3].astype(np.int64) @ np.array([65_536, 256, 1])
        assert np.isin(solid, inks).all()
        assert 5 <= len(np.unique(solid)) <= 60


def ramp_pixels(sprite: UInt8[np.ndarray, "_ _ 4"]) -> Counter[str]:
    solid = sprite[sprite[..., 3] == 255][:, :3].astype(np.int64) @ np.array([65_536, 256, 1])
    counts: Counter[str] = Counter()
    for name, ramp in RAMPS.items():
        codes = [(r << 16) + (g << 8) + b for r, g, b in ramp[1:]]
        counts[name] = int(np.isin(solid, codes).sum())
    return counts


def test_the_first_sentence_names_the_colour_of_most_pixels(
    records: tuple[SampleRecord, ...], sprites: dict[str, UInt8[np.ndarray, "_ _ 4"]]
) -> None:
    for record in records:
        first = record.text.split(". ")[0]
        named = [colour for colour in ANCHORS if re.search(rf"\b{colour}\b", first)]
        assert named == [ramp_pixels(sprites[record.id]).most_common(1)[0][0]], record.id


def test_colour_words_mean_what_a_person_sees() -> None:
    anchors = np.array(list(ANCHORS.values()))
    for name in ANCHORS:
        middle = np.array(RAMPS[name][2])
        assert list(ANCHORS)[int(((anchors - middle) ** 2).sum(axis=1).argmin())] == name
    assert len(set(PALETTE)) == len(PALETTE)


def test_the_text_tells_the_true_size(
    records: tuple[SampleRecord, ...], sprites: dict[str, UInt8[np.ndarray, "_ _ 4"]]
) -> None:
    for record in records:
        assert re.search(rf"\b{size_word(longer_side(sprites[record.id]))}\b", record.text.split(". ")[0]), record.id


def test_every_fact_is_told_and_every_colour_told_is_drawn(
    records: tuple[SampleRecord, ...], sprites: dict[str, UInt8[np.ndarray, "_ _ 4"]]
) -> None:
    for record in records:
        drawn = ramp_pixels(sprites[record.id])
        told = {colour for colour in RAMPS if re.search(rf"\b{colour}\b", record.text)} - {"white"}
        assert all(drawn[colour] for colour in told), record.id
        eyes = record.traits["eyes"]
        assert re.search(rf"\b{eyes}\b( above|,|\.| eyes)", record.text), record.id
        if "marking" in record.traits:
            colour, kind = record.traits["marking"].split()
            assert kind in record.text.lower(), record.id
            assert re.search(rf"\b{colour}\b", record.text), record.id
        assert ("belly" in record.text) == ("belly" in record.traits), record.id


def test_a_part_is_told_exactly_when_it_is_there(records: tuple[SampleRecord, ...]) -> None:
    for record in records:
        for kind, pattern in KEYWORDS.items():
            assert bool(re.search(rf"\b{pattern}\b", record.text)) == (kind in record.traits), (record.id, kind)


def test_texts_have_two_or_three_paragraphs_of_whole_sentences(records: tuple[SampleRecord, ...]) -> None:
    for record in records:
        assert 850 <= len(record.text) <= 1200, record.id
        paragraphs = record.text.split("\n\n")
        assert 2 <= len(paragraphs) <= 3
        sentences = [s for paragraph in paragraphs for s in re.split(r"(?<=[.]) ", paragraph)]
        assert 6 <= len(sentences) <= 10, record.id
        assert all(re.fullmatch(r"[A-Z][^{}.]*\.", sentence) for sentence in sentences), record.id
        assert record.name in paragraphs[0]


def test_texts_differ(records: tuple[SampleRecord, ...]) -> None:
    assert len({record.text for record in records}) == len(records)
    openings = Counter(record.text.replace(record.name, "")[:20] for record in records)
    assert max(openings.values()) < len(records) // 4


def test_a_form_has_the_outline_and_family_of_its_base(
    records: tuple[SampleRecord, ...], sprites: dict[str, UInt8[np.ndarray, "_ _ 4"]]
) -> None:
    base = {record.number: record for record in records if not record.form}
    forms = [record for record in records if record.form]
    assert forms
    for record in forms:
        other = base[record.number]
        assert (record.family, record.name, record.stage) == (other.family, other.name, other.stage)
        assert np.array_equal(sprites[record.id][..., 3], sprites[other.id][..., 3])
        assert record.traits["main"] != other.traits["main"]
        assert record.form in record.text


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 19)),
    st.integers(1, 20),
)
def test_a_png_holds_exactly_the_pixels_given(places: UInt8[np.ndarray, "_ _"], colours: int) -> None:
    table = np.random.default_rng(colours).integers(0, 256, (20, 4), dtype=np.uint8)
    table[:, 3] |= 1  # decoders may drop the colour of clear pixels
    picture = table[places % colours]
    with Image.open(io.BytesIO(encode_png(picture))) as decoded:
        assert np.array_equal(np.array(decoded.convert("RGBA")), picture)


def test_a_picture_of_too_many_colours_is_refused() -> None:
    noise = np.arange(4 * 400, dtype=np.uint16).reshape(20, 20, 4)
    many = np.stack([noise[..., 0] % 251, noise[..., 0] // 7, noise[..., 1] % 7, noise[..., 2] % 256], axis=2).astype(
        np.uint8
    )
    with pytest.raises(ValueError, match="a palette holds 256"):
        encode_png(many)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"id": "0001-x"}\n')
    with pytest.raises(ValueError, match="line 1 of"):
        load_bestiary(tmp_path)
