"""The page holds all it shows, trusts no word of a wiki, and leaves out what has no data."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.evaluate import Accuracy, EvaluatedOn, Evaluation, ModelScore, Paired, RecordBits
from model.figures import Curve, Level, Mark, curve_svg
from model.history import Moment
from model.memorisation import Memorisation
from model.paper_protocol import PaperScores, PaperVariant
from model.render import ReportData, anatomy_view, contact_sheet, render_report, sprite_png, terminal_sprite
from model.report_data import (
    Anatomy,
    Beside,
    Captioned,
    Creature,
    Illustration,
    LogRow,
    Pair,
    RunFacts,
    Samples,
    read_log,
)
from model.sample_scores import Fault, ModelMemorisation, ModelValidity, Validity
from palettes.palette import load_palette
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.release import Gate, Manifest
from pipeline.tokenizer import encode_record

PALETTE = load_palette("nes")
SPRITE = (np.arange(30, dtype=np.uint8) % 7).reshape(5, 6)
HOSTILE = "<script>alert('x')</script><img src=https://evil.example/x onerror=y> \" ' & {{ 7 * 7 }}"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Collects tags and attributes, and complains about tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def row(name: str, kind: str, total: float) -> ModelScore:
    return ModelScore(
        name=name,
        kind=kind,
        parameters=1000,
        bits_per_record=RecordBits(
            total=total, shape=1.0, pixels=total - 4, row_ends=1.0, caption=2.0, ci95=(total - 5, total + 5)
        ),
        bits_per_pixel=1.0,
        bits_per_character=2.0,
        accuracy=Accuracy(total=0.5, pixels=0.5, row_ends=1.0, caption=0.4),
        paper=None,
        seconds=0.1,
    )


PAPER_SCORES = PaperScores(
    hamming=0.125,
    cosine=0.9,
    bleu=0.75,
    centre_accuracy=0.25,
    std=(0.011, 0.012, 0.013),
    excerpts=12,
    text_accuracy=0.1,
    other_accuracy=0.6,
    variants=(
        PaperVariant(
            wrap=False, reads="record", excerpts=9, hamming=0.141, cosine=0.9, bleu=0.75, std=(0.0, 0.0, 0.0),
            centre_accuracy=0.25, text_accuracy=0.1, other_accuracy=0.6,
        ),
    ),
)  # fmt: skip
MEMORISATION = Memorisation(
    sampled=8, copies=1, mean_agreement=0.5, quantiles=(0.25, 0.5, 0.75), held_out=4, held_out_copies=0,
    held_out_mean_agreement=0.375, held_out_quantiles=(0.25, 0.5, 0.75), nearer_than_real=0.125, palette_distance=0.25,
)  # fmt: skip


def moment(step: int) -> Moment:
    return Moment(
        step=step, epoch=0, evaluations=0, train_bits=5.0 - step / 100, validation_bits=None, learning_rate=0.01,
        tokens_per_second=1.0, seconds=1.0, time=0.0,
    )  # fmt: skip


def full(words: str = HOSTILE) -> ReportData:
    gates = (Gate(name=words, limit=words, value=words, passed=False, override=words),)
    manifest = Manifest(
        name=words,
        version="v1.0.0",
        source=words,
        crawl="c",
        created_at=words,
        code_version="1",
        transform={},
        palette={"name": words, "digest": "d"},
        vocabulary={"size": 113, "digest": "d"},
        k=3,
        counts={"train": 8, "test": 2},
        tokens={"text": 6, "pixel": 3, "separator": 0},
        text_ratio=2 / 3,
        configs={},
        digest="d",
        gates=gates,
        licences=(words,),
        quarantine={words: 2},
        yields={"listed": 12},
    )
    version = DatasetVersion(repo_id=words, tag="v1.0.0", revision=words, digest="d")
    evaluation = Evaluation(
        dataset=EvaluatedOn(ref=words, revision="r", digest="d", split="test"),
        models=(replace(row(words, "network", 90.0), paper=PAPER_SCORES), row("Counts2D", "baseline", 100.0)),
        paired=(Paired(a=words, b="Counts2D", difference_bits=-10.0, ci95=(-12.0, -8.0), p_value=0.0125),),
        seed=0,
        code_version=words,
        validity=(
            ModelValidity(
                model=words, seed=0, found=Validity(drawn=8, well_formed=6, faults=(Fault(what=words, count=2),))
            ),
        ),
        memorisation=(ModelMemorisation(model=words, seed=0, found=MEMORISATION),),
    )
    return ReportData(
        title=words,
        palette=PALETTE,
        dataset=version,
        manifest=manifest,
        pairs=(
            Pair(
                name=words,
                caption=words,
                original_png=sprite_png(SPRITE, PALETTE.rgb),
                sprite=SPRITE,
                licence=words,
                source_url="https://wiki.example/one?a=1&b=2",
            ),
            Pair(
                name="no link",
                caption="x",
                original_png=sprite_png(SPRITE, PALETTE.rgb),
                sprite=SPRITE,
                source_url="javascript:alert(1)",
            ),
        ),
        anatomy=Anatomy(name=words, ids=encode_record(SPRITE, "a small beast.", Vocabulary()), k=3),
        run=RunFacts(model=words, parameters=5, settings=((words, words),)),
        log=tuple(
            LogRow(step=i, epoch=float(i), seconds=float(i), train_bits=3.0 / i, validation_bits=200.0 / i)
            for i in (1, 2, 3)
        ),
        evaluation=evaluation,
        history=tuple(moment(step) for step in range(0, 100, 20)),
        beside=(
            Beside(drawn=SPRITE, nearest=SPRITE, agreement=1.0),
            Beside(drawn=SPRITE, nearest=SPRITE[:, ::-1], agreement=0.625, mirrored=True),
        ),
        samples=Samples(
            from_nothing=(Creature(sprite=SPRITE, caption=words),),
            from_captions=(
                Illustration(caption=words, sprite=SPRITE, real=SPRITE),
                Illustration(caption=words, sprite=SPRITE),
            ),
            from_pictures=(Captioned(sprite=SPRITE, caption=words, real=words),),
        ),
    )


def test_words_of_a_wiki_are_text_and_never_markup() -> None:
    reader = read(render_report(full()))
    tags = {tag for tag, _ in reader.seen}
    assert not tags & {"script", "iframe", "object", "embed", "form"}
    assert not any(name.startswith("on") for _, attributes in reader.seen for name in attributes)
    assert "".join(reader.words).count(HOSTILE) >= 10


def test_the_page_fetches_nothing_and_links_only_to_sources() -> None:
    reader = read(render_report(full()))
    for tag, attributes in reader.seen:
        assert (attributes.get("src") or "data:").startswith("data:")
        if tag == "a":
            assert (attributes["href"] or "").startswith(("#", "https://wiki.example/"))
    style = render_report(full("plain")).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a for t, a in reader.seen if t == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy["content"] or "")
    assert "http" not in re.sub(r"https://wiki\.example|http-equiv", "", render_report(full("plain")))


def test_every_picture_has_words_for_who_cannot_see_it() -> None:
    pictures = [attributes for tag, attributes in read(render_report(full())).seen if tag == "img"]
    assert len(pictures) >= 10
    assert all(attributes.get("alt") for attributes in pictures)


def test_what_has_no_data_has_no_section() -> None:
    page = render_report(ReportData(title="bare", palette=PALETTE))
    assert [a["id"] for t, a in read(page).seen if t == "section"] == []
    whole = [a["id"] for t, a in read(render_report(full())).seen if t == "section"]
    assert whole == ["made", "scores", "paper", "drawn", "training", "sprites", "anatomy", "release"]


def test_the_paper_s_metrics_stand_beside_the_published_ones() -> None:
    page = render_report(full("plain"))
    section = page.split('<section id="paper">')[1].split("</section>")[0]
    for word in ("0.125", "± 0.011", "10.0% · 60.0%", "0.141", "RNN, state 32", "0.149", "Hamming under the paper"):
        assert word in section
    assert len(re.findall(r'<tr class="published"><td>', section)) == 15


def test_a_difference_is_told_with_its_interval_its_chance_and_who_is_better() -> None:
    section = render_report(full("plain")).split('<section id="scores">')[1].split("</section>")[0]
    for word in ("plain minus Counts2D", "-10.0", "-12.0 to -8.0", "0.013", "plain is better"):
        assert word in section


def test_drawn_pictures_stand_beside_the_nearest_training_pictures() -> None:
    section = render_report(full("plain")).split('<section id="drawn">')[1].split("</section>")[0]
    for word in ("an exact copy", "62% alike, mirrored", "6 (75%) are well formed", "plain (2)", "12.5% of what was"):
        assert word in section
    assert section.count("<img") == 4


def test_the_step_that_was_kept_is_pointed_out_and_training_is_drawn_as_finely_as_it_was_told() -> None:
    section = render_report(full("plain")).split('<section id="training">')[1].split("</section>")[0]
    assert "kept: 67 at step 3" in section
    training = section.split("<polyline")[2].split("/>")[0]
    assert training.count(",") == 5  # of the history, where the log has three


def test_an_evaluation_alone_makes_a_page() -> None:
    page = render_report(ReportData(title="bare", palette=PALETTE, evaluation=full("plain").evaluation))
    assert [a["id"] for t, a in read(page).seen if t == "section"] == ["scores", "paper", "drawn"]
    assert "an evaluation" in page


def test_the_same_data_makes_the_same_page() -> None:
    assert render_report(full()) == render_report(full())


@given(st.integers(1, 4), st.integers(1, 25), st.integers(1, 25), st.integers(0, 2**32 - 1))
def test_a_png_gives_the_sprite_back(scale: int, h: int, w: int, seed: int) -> None:
    sprite = np.random.default_rng(seed).integers(0, len(PALETTE), size=(h, w)).astype(np.uint8)
    image = Image.open(io.BytesIO(sprite_png(sprite, PALETTE.rgb, scale)))
    assert image.size == (w * scale, h * scale)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB"))[::scale, ::scale], PALETTE.rgb[sprite])


def test_a_contact_sheet_holds_every_sprite() -> None:
    sheet = Image.open(io.BytesIO(contact_sheet([SPRITE] * 5, PALETTE.rgb, columns=3, scale=2)))
    assert sheet.size == ((3 * 7 + 1) * 2, (2 * 6 + 1) * 2)
    pixels = np.asarray(sheet.convert("RGB"))[::2, ::2]
    np.testing.assert_array_equal(pixels[1:6, 1:7], PALETTE.rgb[SPRITE])
    np.testing.assert_array_equal(pixels[7:12, 8:14], PALETTE.rgb[SPRITE])


def test_a_terminal_shows_two_rows_of_pixels_a_line() -> None:
    lines = terminal_sprite(SPRITE, PALETTE.rgb).split("\n")
    assert len(lines) == 3
    assert [line.count("▀") for line in lines] == [6, 6, 6]
    assert all(line.endswith("\x1b[0m") for line in lines)
    assert "\x1b[48;2" not in lines[-1]  # five rows: under the last there is nothing


def test_a_colour_outside_the_palette_is_refused() -> None:
    for draw in (lambda s: sprite_png(s, PALETTE.rgb), lambda s: terminal_sprite(s, PALETTE.rgb)):
        with pytest.raises(ValueError, match="outside"):
            draw(np.array([[55]], dtype=np.uint8))


def test_the_record_taken_apart_shows_its_own_tokens() -> None:
    ids = encode_record(SPRITE, "abc", Vocabulary())
    view = anatomy_view(Anatomy(name="x", ids=ids, k=3), PALETTE)
    assert [len(line) for line in view.rows] == [7] * 5
    assert [cell.label for cell in view.caption] == ["a", "b", "c", "⏎"]
    y, x = view.place
    assert view.window[4] == view.rows[y][x]
    assert [cell.kind for cell in view.window[5:]] == ["hidden"] * 4
    with pytest.raises(ValueError, match="outside"):
        anatomy_view(Anatomy(name="x", ids=ids, at=len(ids)), PALETTE)


def test_a_curve_names_its_levels_and_survives_odd_values() -> None:
    levels = (Level(name="<b>", value=5.0), Level(name="far", value=500.0))
    svg = curve_svg(
        Curve(points=((0.0, 9.0), (1.0, float("nan")), (2.0, 4.0)), x_label="x", y_label="y", levels=levels)
    )
    assert "&lt;b&gt; 5" in svg
    assert "far" not in svg
    assert "nan" not in svg
    assert curve_svg(Curve(points=((1.0, 1.0),), x_label="x", y_label="y")) == ""
    assert "<polyline" in curve_svg(Curve(points=((0.0, 2.0), (0.0, 2.0)), x_label="x", y_label="y"))


@pytest.mark.parametrize(("at", "side"), [(1.0, "start"), (9.0, "end")])
def test_a_marked_point_has_its_words_where_there_is_room(at: float, side: str) -> None:
    curve = Curve(points=((0.0, 9.0), (10.0, 4.0)), x_label="x", y_label="y", mark=Mark(x=at, told="<here>"))
    assert re.search(rf'text-anchor="{side}">&lt;here&gt;</text>', curve_svg(curve))
    assert "here" not in curve_svg(replace(curve, mark=Mark(x=11.0, told="here")))


def test_a_log_cut_off_by_a_kill_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    line = '{"step": 1, "epoch": 1, "seconds": 2.5, "train_bits": 3, "validation_bits": null, "tokens": 9}\n'
    path.write_text(line + line[:20])
    assert read_log(path) == (LogRow(step=1, epoch=1.0, seconds=2.5, train_bits=3.0, tokens=9),)
    path.write_text(line[:20] + "\n" + line)
    with pytest.raises(ValueError, match="line 1"):
        read_log(path)
