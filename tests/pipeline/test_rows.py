"""Records become rows: what each row says, its picture, and digests that hold for what was released before."""

import hashlib
import io
import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.io import imread

from palettes.palette import Palette, load_palette
from pipeline import rows
from pipeline.png import encode_png, shows
from pipeline.records import Dropped, Record
from pipeline.rows import DIGESTED, record_digest, records_batch, shard_digest, sprite_png, tokens_batch, windows_batch
from pipeline.schema import record_layouts
from pipeline.tokenizer import ORDERS, Order, decode_record, encode_record
from tests.strategies import VOCABULARY, captions, sprites

NES = load_palette("nes")
LAYOUTS = record_layouts((3, 5))


def record(key: int, sprite: np.ndarray, caption: str, order: Order = "image_first") -> Record:
    """Return a record that says a sprite and a caption; its other fields follow from the key."""
    return Record(
        id=f"{key:04d}-x", group=f"g{key // 2}", number=key, name=f"Xé{key}", form="" if key % 2 else "old",
        language="en", sprite=sprite, caption=caption, ids=encode_record(sprite, caption, VOCABULARY, order),
        source_url="http://a.localhost/ä", image_url="http://a.localhost/i.png", revision="7",
        retrieved_at="2026-01-01T00:00:00+00:00", sha256="0" * 64, licence="CC0-1.0",
        attribution='the "makers"\n\t\\', replaced=key,
    )  # fmt: skip


def fixed_record(key: int) -> Record:
    """Return a record that never changes: digests of such ones stand in this file."""
    sprite = (np.arange((key + 1) * 3, dtype=np.uint8) % 55).reshape(key + 1, 3)
    return record(key, sprite, f'number {key}: "a \xa0 b"')


told = st.lists(st.tuples(sprites(), captions, st.sampled_from(ORDERS)), min_size=1, max_size=6)


@given(told)
def test_a_tokens_row_decodes_to_its_record_in_either_order(said: list[tuple[np.ndarray, str, Order]]) -> None:
    made = [record(i, *one) for i, one in enumerate(said)]
    batch = tokens_batch(made, LAYOUTS["tokens"]).to_pylist()
    for row, one in zip(batch, made, strict=True):
        sprite, caption = decode_record(np.array(row["tokens"], dtype=np.uint8), VOCABULARY)
        assert np.array_equal(sprite, one.sprite)
        assert caption == one.caption
        assert (row["id"], row["h"], row["w"]) == (one.id, *one.sprite.shape)


@given(told)
def test_segment_offsets_cut_a_row_into_segments(said: list[tuple[np.ndarray, str, Order]]) -> None:
    made = [record(i, *one) for i, one in enumerate(said)]
    for row in tokens_batch(made, LAYOUTS["tokens"]).to_pylist():
        offsets, ids = row["segment_offsets"], row["tokens"]
        assert offsets[0] == 0
        assert offsets[-1] == len(ids)
        assert all(ids[end - 1] == 2 for end in offsets[1:])
        assert ids.count(2) == len(offsets) - 1 == 3


@given(told, st.sampled_from([3, 5]))
def test_the_centres_of_a_windows_row_are_its_tokens(said: list[tuple[np.ndarray, str, Order]], k: int) -> None:
    made = [record(i, *one) for i, one in enumerate(said)]
    windows = windows_batch(made, k, LAYOUTS[f"windows_k{k}"]).to_pylist()
    tokens = tokens_batch(made, LAYOUTS["tokens"]).to_pylist()
    for one, other in zip(windows, tokens, strict=True):
        assert [window[k // 2][k // 2] for window in one["windows"]] == other["tokens"]


def test_a_records_row_says_what_the_record_says() -> None:
    one = fixed_record(3)
    row = records_batch([one], NES, LAYOUTS["records"]).to_pylist()[0]
    assert {name: row[name] for name in row if name not in ("image", "digest")} == {
        name: getattr(one, name) for name in row if name not in ("image", "digest")
    }
    assert row["image"] == {"bytes": sprite_png(one.sprite, NES), "path": "0003-x.png"}
    assert row["digest"] == record_digest(row, one.sprite)


def test_no_rows_make_empty_batches() -> None:
    assert records_batch([], NES, LAYOUTS["records"]).num_rows == 0
    assert tokens_batch([], LAYOUTS["tokens"]).num_rows == 0
    assert windows_batch([], 3, LAYOUTS["windows_k3"]).num_rows == 0
    assert rows.quarantine_batch([]).num_rows == 0


def test_a_quarantine_row_says_why() -> None:
    drop = Dropped(id="1", name="A", stage="text", reason="too short", source_url="http://a.localhost")
    assert rows.quarantine_batch([drop]).to_pylist() == [
        {"id": "1", "name": "A", "stage": "text", "reason": "too short", "source_url": "http://a.localhost"}
    ]


def test_the_digests_of_released_records_hold() -> None:
    made = [fixed_record(i) for i in range(40)]
    digests = [record_digest({name: getattr(one, name) for name in DIGESTED}, one.sprite) for one in made]
    assert digests[3] == "d62b2b02153b2d36192ce729fc2fb10fd5e5ebcd744b50455c385d50229d3801"
    assert shard_digest(digests) == "fba2196c65deb575ac91f95623fc1ed4b6e277c7f7e544b98ea94d8ae7dd81b3"


@pytest.mark.parametrize("name", DIGESTED)
def test_a_record_that_says_something_else_has_another_digest(name: str) -> None:
    one = fixed_record(3)
    said = {each: getattr(one, each) for each in DIGESTED}
    assert record_digest({**said, name: 9 if name == "number" else "else"}, one.sprite) != record_digest(
        said, one.sprite
    )


def test_when_a_record_was_read_is_not_in_its_digest() -> None:
    assert not {"revision", "retrieved_at", "sha256", "replaced"} & set(DIGESTED)


@given(st.text(), st.text(alphabet='ab"\\\n\x1f\x7fé\u2028'), st.one_of(st.integers(), st.none()), sprites())
def test_a_digest_is_over_the_json_of_what_a_record_says(
    name: str, caption: str, number: int | None, sprite: np.ndarray
) -> None:
    row: dict[str, object] = {**dict.fromkeys(DIGESTED, "x"), "name": name, "caption": caption, "number": number}
    said = json.dumps([*(row[field] for field in DIGESTED), *sprite.shape], ensure_ascii=False)
    expected = hashlib.sha256(said.encode() + b"\0" + sprite.tobytes()).hexdigest()
    assert record_digest(row, sprite) == expected


def test_a_record_too_long_for_its_offsets_is_refused_by_name() -> None:
    long = fixed_record(1)._replace(ids=np.full(65_536, 2, dtype=np.uint8))
    with pytest.raises(ValueError, match="0001-x has 65536 ids, but a row holds 65535: choose a smaller max_side"):
        tokens_batch([fixed_record(0), long], LAYOUTS["tokens"])


def test_a_batch_beyond_what_a_list_can_count_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_LARGEST_OFFSET", 100)
    with pytest.raises(ValueError, match="is beyond 100: write fewer rows at once"):
        windows_batch([fixed_record(3)], 3, LAYOUTS["windows_k3"])


@given(sprites(25))
def test_a_png_gives_its_sprite_back_to_three_libraries(sprite: np.ndarray) -> None:
    body = sprite_png(sprite, NES)
    image = Image.open(io.BytesIO(body))
    assert image.format == "PNG"
    assert np.array_equal(np.asarray(image), sprite)  # the indices themselves
    rgb = NES.rgb[sprite]
    assert np.array_equal(np.asarray(image.convert("RGB")), rgb)
    bgr = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    assert np.array_equal(bgr[..., ::-1], rgb)


def test_scikit_image_reads_a_png_of_ours() -> None:
    sprite = fixed_record(20).sprite
    assert np.array_equal(imread(io.BytesIO(sprite_png(sprite, NES)))[..., :3], NES.rgb[sprite])


def test_the_bytes_of_a_png_never_change() -> None:
    digest = hashlib.sha256(sprite_png(fixed_record(20).sprite, NES)).hexdigest()
    assert digest == "dae71cf7d1250925329087d0bf560c39554246cd1f38124fbff9596c1a86a2bc"


def test_a_png_of_more_than_one_stored_block_is_whole() -> None:
    sprite = np.random.default_rng(1).integers(0, 55, (400, 401), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(sprite, NES)))), sprite)


@pytest.mark.parametrize("sprite", [np.zeros((0, 3), dtype=np.uint8), np.full((2, 2), 55, dtype=np.uint8)])
def test_a_sprite_that_no_palette_draws_is_refused(sprite: np.ndarray) -> None:
    with pytest.raises(ValueError, match="is empty or uses colours outside the palette"):
        encode_png(sprite, NES)


def by_pillow(pixels: np.ndarray, mode: str = "P", **how: object) -> bytes:
    """Return a PNG as releases before had it, or as anybody else writes one."""
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette(NES.rgb.tobytes())
    body = io.BytesIO()
    image.save(body, format="PNG", **how)
    return body.getvalue()


@given(sprites(25))
def test_a_picture_shows_its_sprite_whoever_wrote_it(sprite: np.ndarray) -> None:
    assert shows(encode_png(sprite, NES), sprite, NES)
    assert shows(by_pillow(sprite, compress_level=6), sprite, NES)
    assert shows(by_pillow(NES.rgb[sprite], "RGB"), sprite, NES)


@given(sprites(25), st.data())
def test_one_pixel_of_another_colour_shows_something_else(sprite: np.ndarray, data: st.DataObject) -> None:
    y, x = data.draw(st.integers(0, sprite.shape[0] - 1)), data.draw(st.integers(0, sprite.shape[1] - 1))
    changed = sprite.copy()
    changed[y, x] = (changed[y, x] + data.draw(st.integers(1, 54))) % 55
    assert not shows(encode_png(changed, NES), sprite, NES)
    assert not shows(by_pillow(changed), sprite, NES)


def test_the_colours_count_and_not_the_indices() -> None:
    sprite = fixed_record(3).sprite
    other = Palette(name="turned", rgb=np.ascontiguousarray(NES.rgb[::-1]))
    assert not shows(encode_png(sprite, other), sprite, NES)


def hostile_pictures() -> dict[str, bytes]:
    """Return bytes that claim to be the 4×3 picture of a sprite of zeros, and are not."""
    sprite = np.zeros((4, 3), dtype=np.uint8)
    good = encode_png(sprite, NES)
    rgba = np.zeros((4, 3, 4), dtype=np.uint8)
    frames = [Image.fromarray(np.full((4, 3), shade, dtype=np.uint8)) for shade in (0, 200)]
    moving = io.BytesIO()
    frames[0].save(moving, format="PNG", save_all=True, append_images=frames[1:])
    jpeg = io.BytesIO()
    Image.fromarray(NES.rgb[sprite]).save(jpeg, format="JPEG")
    huge = bytearray(good)
    huge[16:24] = struct.pack(">II", 1 << 30, 1 << 30)
    huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
    return {
        "nothing": b"",
        "no picture": b"hello" * 100,
        "cut off": good[:60],
        "another checksum": good[:-20] + b"\xff" + good[-19:],
        "transposed": encode_png(np.ascontiguousarray(sprite.T), NES),
        "see-through": by_pillow(rgba, "RGBA"),
        "moving": moving.getvalue(),
        "a JPEG": jpeg.getvalue(),
        "a size of 2^60 px": bytes(huge),
        "far too long": by_pillow(sprite) + bytes(1 << 20),
    }


@pytest.mark.parametrize("name", list(hostile_pictures()))
def test_bytes_that_are_no_such_picture_show_something_else(name: str) -> None:
    assert not shows(hostile_pictures()[name], np.zeros((4, 3), dtype=np.uint8), NES)


def test_a_picture_of_another_size_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    large = by_pillow(np.zeros((3000, 3000), dtype=np.uint8))
    assert len(large) < 65_536  # its length alone does not give it away

    def decoded(*_: object) -> None:
        raise AssertionError("a picture of the wrong size was decoded")

    monkeypatch.setattr(Image.Image, "convert", decoded)
    assert not shows(large, np.zeros((4, 3), dtype=np.uint8), NES)
