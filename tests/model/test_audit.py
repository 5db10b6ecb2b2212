"""Two toy tokenisations, one lossless and one not, stand beside the palette's and are measured by the same path."""

import io
import itertools
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from skimage.color import rgb2lab

from model.audit import Audit, audit
from model.baselines import fit_baselines, fit_ngram
from model.batches import TokenTable, load_tokens
from model.distortion import Originals
from model.id_counts import IdChain, count_ids, fit_id_chain
from model.metrics import score
from palettes.vocabulary import Vocabulary
from pipeline.image_tokenizer import ImageTokenizer, PaletteTokenizer
from pipeline.records import DatasetVersion, Split
from pipeline.tokenizer import Part, encode_record

VOCABULARY = Vocabulary()
COLOURS = len(VOCABULARY.palette)
VERSION = DatasetVersion(repo_id="demo/beasts", tag="v1.0.0", revision="r1", digest="d1")
SIZES: dict[str, int] = {"train": 24, "validation": 6, "test": 5}


@dataclass(frozen=True)
class Runs:
    """Lossless: the width, then each run of a row as its length and its colour."""

    name: str = "runs"
    vocab_size: int = 1000  # beyond a byte on purpose: 500 + colour
    lossless: bool = True

    def encode(self, sprite: np.ndarray) -> np.ndarray:
        runs = [(len(list(same)), 500 + colour) for row in sprite.tolist() for colour, same in itertools.groupby(row)]
        return np.array([sprite.shape[1], *itertools.chain(*runs)], dtype=np.uint16)

    def decode(self, ids: np.ndarray) -> np.ndarray:
        lengths, colours = ids[1::2].astype(int), ids[2::2] - 500
        return np.repeat(colours, lengths).reshape(-1, int(ids[0])).astype(np.uint8)


@dataclass(frozen=True)
class Blocks:
    """Lossy: height and width, then one colour for each 2×2 pixels."""

    name: str = "blocks"
    vocab_size: int = 64
    lossless: bool = False

    def encode(self, sprite: np.ndarray) -> np.ndarray:
        return np.array([*sprite.shape, *sprite[::2, ::2].ravel()], dtype=np.uint16)

    def decode(self, ids: np.ndarray) -> np.ndarray:
        h, w = ids[:2].tolist()
        small = ids[2:].reshape((h + 1) // 2, (w + 1) // 2).astype(np.uint8)
        return small.repeat(2, axis=0).repeat(2, axis=1)[:h, :w]


def png(sprite: np.ndarray) -> bytes:
    body = io.BytesIO()
    Image.fromarray(sprite).save(body, format="PNG")
    return body.getvalue()


def sprites_of(split: str) -> list[np.ndarray]:
    rng = np.random.default_rng(len(split))
    rows = [rng.integers(0, 5, (6, 3)) for _ in range(SIZES[split])]
    return [np.repeat(row, 3, axis=1)[:, : 7 + i % 3].astype(np.uint8) for i, row in enumerate(rows)]


@dataclass(frozen=True)
class Small:
    """What an audit reads of a release."""

    empty: str = ""
    vocabulary: Vocabulary = VOCABULARY
    version: DatasetVersion = VERSION

    def table(self, config: str, split: Split) -> pa.Table:
        drawn = [] if split == self.empty else list(enumerate(sprites_of(split)))
        said = {i: f"a beast of {i % 4} spots." for i, _ in drawn}
        columns: dict[str, list[object]] = {"id": [f"{split}{i}" for i, _ in drawn]}
        if config == "tokens":
            ids = [encode_record(sprite, said[i], VOCABULARY).tolist() for i, sprite in drawn]
            return pa.table({**columns, "tokens": pa.array(ids, type=pa.list_(pa.uint8()))})
        return pa.table({**columns, "image": [{"bytes": png(sprite), "path": "x"} for _, sprite in drawn]})


def audited(split: Split = "validation", *tokenizers: ImageTokenizer, originals: Originals | None = None) -> Audit:
    return audit(Small(), split, tokenizers=tokenizers, originals=originals or Originals())


def test_a_second_and_a_third_tokenisation_join_as_objects_in_a_tuple() -> None:
    palette, runs, blocks = audited("test", PaletteTokenizer(VOCABULARY), Runs(), Blocks()).tokenisations
    assert [one.lossless for one in (palette, runs, blocks)] == [True, True, False]
    assert [one.flag for one in (palette, runs, blocks)] == ["exact", "exact", "lossy"]
    for one, tokenizer in ((palette, PaletteTokenizer(VOCABULARY)), (runs, Runs()), (blocks, Blocks())):
        lengths = [len(tokenizer.encode(sprite)) for sprite in sprites_of("test")]
        assert one.picture.tokens == pytest.approx(np.mean(lengths))
        assert one.picture.capacity_bits == pytest.approx(np.mean(lengths) * np.log2(tokenizer.vocab_size))
        assert one.picture.used == pytest.approx(one.picture.exact_bits / one.picture.capacity_bits)
        assert 0 < one.picture.used < 1
        assert one.caption == palette.caption
    assert palette.record.vocabulary == 113
    assert runs.record.vocabulary is None
    assert runs.picture.vocabulary == 1000
    assert blocks.picture.tokens < palette.picture.tokens / 2


def test_what_is_lost_is_measured_on_what_comes_back() -> None:
    palette, runs, blocks = audited("test", PaletteTokenizer(VOCABULARY), Runs(), Blocks()).tokenisations
    for lossless in (palette, runs):
        assert (lossless.against_sprite.mean, lossless.against_sprite.worst) == (0, 0)
        assert lossless.against_sprite.records == SIZES["test"]
    lab = rgb2lab(VOCABULARY.palette.rgb[None] / 255)[0]
    pairs = [(lab[s], lab[Blocks().decode(Blocks().encode(s))]) for s in sprites_of("test")]
    lost = [np.sqrt(((one - other) ** 2).sum(axis=2)) for one, other in pairs]
    means = [one.mean() for one in lost]
    assert blocks.against_sprite.mean == pytest.approx(np.concatenate([one.ravel() for one in lost]).mean())
    assert blocks.against_sprite.worst == pytest.approx(max(means))
    assert blocks.against_sprite.worst_record == f"test{int(np.argmax(means))}"
    assert blocks.against_sprite.mean > 1


def test_a_tokenizer_that_is_not_as_lossless_as_it_says_stops_the_audit() -> None:
    with pytest.raises(ValueError, match=r"blocks says that it is lossless, but gives \d+ of 42 pixels of train0"):
        audited("validation", Blocks(lossless=True))


def test_the_parts_of_a_record_add_up() -> None:
    for one in audited("test", PaletteTokenizer(VOCABULARY), Runs(), Blocks()).tokenisations:
        for amount in ("tokens", "capacity_bits", "exact_bits"):
            parts = getattr(one.picture, amount) + getattr(one.caption, amount)
            assert getattr(one.record, amount) == pytest.approx(parts)
        assert one.record.ci95[0] <= one.record.exact_bits <= one.record.ci95[1]
    palette = audited("test").tokenisations[0]
    assert palette.record.tokens == np.mean(load_tokens(Small(), "test").lengths)
    assert palette.record.capacity_bits == pytest.approx(palette.record.tokens * np.log2(113))


def test_bits_are_those_of_an_evaluation_by_the_model_that_was_best_on_validation() -> None:
    found = audited("test")
    palette = found.tokenisations[0]
    models = {model.name: model for model in fit_baselines(load_tokens(Small(), "train"), VOCABULARY)}
    bits = {name: score(model, load_tokens(Small(), "test")).bits.mean(axis=0) for name, model in models.items()}
    assert palette.picture.model in models
    mine = bits[palette.picture.model]
    assert palette.picture.exact_bits == pytest.approx(mine.sum() - mine[Part.CAPTION])
    chosen = {name: score(model, load_tokens(Small(), "validation")) for name, model in models.items()}
    paid = {name: (one.record_bits - one.bits[:, Part.CAPTION]).sum() for name, one in chosen.items()}
    assert paid[palette.picture.model] == min(paid.values())
    assert found.chosen_on == "validation"
    assert found.learned_on == SIZES["train"]
    assert palette.picture.bits_per_unit == pytest.approx(palette.picture.exact_bits / found.pixels)


def test_a_tokenisation_of_ones_own_is_paid_by_a_chain_over_its_ids() -> None:
    (runs,) = audited("test", Runs()).tokenisations
    chain = fit_id_chain([Runs().encode(sprite) for sprite in sprites_of("train")], 1000)
    assert runs.picture.model == chain.name
    assert runs.picture.exact_bits == pytest.approx(
        chain.bits([Runs().encode(sprite) for sprite in sprites_of("test")]).mean()
    )


def test_the_palettes_loss_is_told_where_the_pictures_are_known() -> None:
    rgb = {f"validation{i}": VOCABULARY.palette.rgb[sprite] for i, sprite in enumerate(sprites_of("validation"))}
    found = audited("validation", PaletteTokenizer(VOCABULARY), Blocks(), originals=Originals(pictures=rgb, lacking=""))
    assert found.palette_loss is not None
    assert (found.palette_loss.mean, found.palette_loss.worst_record, found.not_measured) == (0, "", "")
    blocks = found.tokenisations[1]
    assert blocks.against_original == blocks.against_sprite  # these pictures had the palette's colours
    rgb["validation2"] = rgb["validation2"] ^ 64
    few = {name: rgb[name] for name in ("validation1", "validation2")}
    told = audited("validation", originals=Originals(pictures=few, lacking="4 are gone"))
    assert told.palette_loss is not None
    assert (told.palette_loss.records, told.palette_loss.worst_record) == (2, "validation2")
    assert told.palette_loss.worst > told.palette_loss.mean > 0
    assert told.not_measured == "4 are gone"


def test_without_pictures_no_loss_is_told_but_why() -> None:
    found = audited()
    assert found.palette_loss is None
    assert found.tokenisations[0].against_original is None
    assert found.not_measured == "no raw store was given"


def test_the_references_say_what_raw_pixels_and_files_take() -> None:
    found = audited()
    sizes = {one.name: one.bits for one in found.references}
    drawn = sprites_of("validation")
    assert sizes["RGB"] == pytest.approx(24 * np.mean([sprite.size for sprite in drawn]))
    assert sizes["PNG"] == pytest.approx(8 * np.mean([len(png(sprite)) for sprite in drawn]))
    assert sizes["xz, joined"] < sizes["xz, alone"]
    assert found.tokenisations[0].record.exact_bits < sizes["xz, alone"]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_records_is_refused(split: str) -> None:
    with pytest.raises(ValueError, match=f"the {split} split holds no records"):
        audit(Small(empty=split), "test")


def test_what_cannot_be_audited_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="learn on the training split"):
        audited("train")
    with pytest.raises(ValueError, match="give each its own name"):
        audited("test", Runs(), Runs())
    with pytest.raises(ValueError, match="runs has 70000 ids"):
        audited("test", Runs(vocab_size=70_000))


def test_progress_ends_where_it_said_it_would() -> None:
    seen: list[tuple[int, int]] = []
    audit(Small(), tokenizers=(Runs(), Blocks()), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 4) for done in range(5)]


def test_an_audit_needs_no_torch() -> None:
    code = "import sys, model.audit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ids_of_three = hnp.arrays(np.uint16, st.integers(0, 12), elements=st.integers(0, 2))


@given(st.lists(ids_of_three, min_size=9, max_size=20).filter(lambda records: any(map(len, records))))
def test_a_chain_gives_all_sequences_of_a_length_together_probability_one(records: list[np.ndarray]) -> None:
    chain = fit_id_chain(records, 3, longest=3)
    every = [np.array(ids, dtype=np.uint16) for ids in itertools.product(range(3), repeat=4)]
    assert (2 ** -chain.bits(every)).sum() == pytest.approx(1)


@given(st.lists(ids_of_three, min_size=1, max_size=9), st.lists(ids_of_three, min_size=1, max_size=4))
def test_a_chain_without_leanings_of_its_own_is_the_ngram_baseline(
    train: list[np.ndarray], asked: list[np.ndarray]
) -> None:
    train = [np.array([0, 1], dtype=np.uint16), *train]
    table = TokenTable.from_records([(str(i), ids.astype(np.uint8)) for i, ids in enumerate(train)])
    baseline = fit_ngram(table, VOCABULARY, order=3)
    chain = count_ids(train, len(VOCABULARY), (1.0, 1.0, 1.0))
    for ids, bits in zip(asked, chain.bits(asked), strict=True):
        logs = baseline.log_probs(ids.astype(np.uint8))
        assert bits == pytest.approx(-logs[np.arange(len(ids)), ids].sum() / np.log(2))


def test_a_chain_is_as_long_as_it_helps() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 4, 30).astype(np.uint16) for _ in range(40)]
    turns = [np.tile([0, 1, 1, 2], 8).astype(np.uint16) for _ in range(40)]
    assert len(fit_id_chain(noise, 4).levels) == 1
    assert fit_id_chain(noise, 4).bits(noise[:5]).mean() == pytest.approx(60, rel=0.05)
    longer: IdChain = fit_id_chain(turns, 4)
    assert len(longer.levels) >= 3
    assert longer.bits(turns[:1])[0] < 6


def test_ids_beyond_the_vocabulary_and_nothing_to_count_are_refused() -> None:
    with pytest.raises(ValueError, match="id 7 is outside the vocabulary of 4 ids"):
        fit_id_chain([np.array([7], dtype=np.uint16)], 4)
    with pytest.raises(ValueError, match="nothing to count"):
        fit_id_chain([np.zeros(0, dtype=np.uint16)], 4)
