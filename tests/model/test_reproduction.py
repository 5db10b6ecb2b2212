"""The paper's table again: fifteen presets, trained as it says, judged as it judges, resumable, told beside it."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from model.config import ModelConfig
from model.network import Network
from model.pace import measured_pace
from model.paper_protocol import PaperProtocol
from model.paper_table import duration, loss_figures, plan_table, reproduction_figures, reproduction_table
from model.presets import PRESETS, Preset, paper_presets, preset_of, require_trainable
from model.published import PAPER, PARAMETERS
from model.reproducing import Ground, reproduce
from model.reproduction import (
    REPRODUCTION,
    Reproduction,
    chosen_presets,
    published_row,
    read_reproduced,
    read_reproduction,
    reproduction_folder,
    require_splits,
)
from model.reproduction_page import write_page
from model.train import OnProgress, Progress
from palettes.vocabulary import Vocabulary
from pipeline.release import Release
from tests.stripes import Enough, stripes, stripes_data

SIZE = len(Vocabulary())
CHOSEN = ("rnn-n32", "rnn-uni")


def counted(model: ModelConfig) -> int:
    return Network(model, SIZE).parameters_count


def ground(folder: Path) -> Ground:
    return Ground(data=stripes_data(), test=stripes(6, 2), folder=folder)


class Watch:
    """Counts the steps that each variant is trained, and may die at one."""

    def __init__(self, die_at: int | None = None) -> None:
        self.steps: dict[str, int] = {}
        self.die_at = die_at

    @contextmanager
    def __call__(self, preset: Preset) -> Iterator[OnProgress]:
        self.steps[preset.name] = 0

        def on_progress(_: Progress) -> None:
            self.steps[preset.name] += 1
            if sum(self.steps.values()) == self.die_at:
                raise Enough

        yield on_progress


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduction")


@pytest.fixture(scope="module")
def found(place: Path) -> Reproduction:
    """Two variants of the fifteen, two epochs each."""
    return reproduce(ground(place), chosen_presets(CHOSEN, 2, 0))


def test_every_published_row_has_a_preset_and_every_paper_preset_a_row() -> None:
    assert [row.preset for row in PAPER] == [preset.name for preset in paper_presets()]
    for row in PAPER:
        assert {"ssm": "mamba", "attention": "transformer", "rnn": "lstm"}[row.core] == PRESETS[row.preset].model.core
        assert published_row(row.preset) is row
    with pytest.raises(ValueError, match="'small' is no row of the paper's table"):
        published_row("small")


def test_the_paper_is_trained_by_the_papers_protocol() -> None:
    for preset in paper_presets():
        told, model = preset.train, preset.model
        assert (told.targets, told.wrap, told.sequence, told.stride, told.batch_sequences) == (
            "last",
            True,
            256,
            32,
            32,
        )
        assert (told.epochs, told.evaluate_every, told.learning_rate, told.final_share) == (200, 5, 1e-3, 1.0)
        assert (told.text_first, told.warm_up, told.beta2, told.patience) == (0.0, 0.0, 0.999, None)
        assert (model.k, model.look, model.dropout) == (PaperProtocol().k, "current", 0.0)
        assert model.bidirectional == ("uni" not in preset.name)


def test_sizes_are_those_that_were_published() -> None:
    sizes = {preset.name: counted(preset.model) for preset in paper_presets()}
    smallest, largest = PARAMETERS
    assert min(sizes, key=lambda name: sizes[name]) == "paper/rnn-n32"
    assert max(sizes, key=lambda name: sizes[name]) == "paper/rnn-n128"
    assert all(smallest <= size <= largest * 1.025 for size in sizes.values()), sizes
    assert len(set(sizes.values())) == 15


@pytest.mark.parametrize(("name", "published"), [("paper/rnn-n32", PARAMETERS[0]), ("paper/rnn-n128", PARAMETERS[1])])
def test_but_for_the_head_the_smallest_and_largest_are_the_papers_to_the_last_weight(name: str, published: int) -> None:
    model = PRESETS[name].model
    ours = counted(model)
    projection = model.d_state * model.d_model + model.d_model + 2 * model.d_model
    head, direct = (model.d_model + 1) * SIZE, (model.d_state + 1) * SIZE
    assert ours - projection - head + direct == published


def test_rows_differ_from_the_first_rnn_in_what_their_name_says() -> None:
    rnn = PRESETS["paper/rnn"].model

    def changed(name: str) -> set[str]:
        other, own = asdict(PRESETS[f"paper/{name}"].model), asdict(rnn)
        return {key for key in own if own[key] != other[key]}

    assert changed("rnn-centre") == {"embedding"}
    assert changed("rnn-d162") == changed("rnn-d36") == {"d_model"}
    assert changed("rnn-n128") == changed("rnn-n32") == {"d_state", "d_inner"}
    assert changed("rnn-1") == changed("rnn-3") == {"layers"}
    assert changed("rnn-no-conv") == {"conv"}
    assert changed("rnn-uni") == {"bidirectional", "d_inner"}


def test_a_core_that_contradicts_a_row_is_refused_and_its_own_is_not() -> None:
    assert preset_of("paper/ssm-uni").model.core == preset_of("paper/ssm-uni", "mamba").model.core == "mamba"
    with pytest.raises(ValueError, match="whose core is mamba, not lstm: leave the core out"):
        preset_of("paper/ssm-uni", "lstm")
    with pytest.raises(ValueError, match=r"preset 'paper/gru' is not known: choose one of small, .*paper/ssm-1"):
        preset_of("paper/gru")
    with pytest.raises(ValueError, match="core 'gru' is not known"):
        preset_of("small", "gru")


def test_small_has_under_100_000_numbers_with_every_core() -> None:
    for core in ("lstm", "transformer", "mamba"):
        small = preset_of("small", core, seed=3)
        assert 85_000 < counted(small.model) < 100_000
        assert (small.train.seed, small.train.device, small.train.threads) == (3, "cpu", 1)


@pytest.mark.parametrize(("name", "millions"), [("base", 2), ("large", 12)])
def test_gpu_presets_have_three_cores_of_one_size_and_are_refused_without_a_gpu(
    name: str, millions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for core in ("lstm", "transformer", "mamba"):
        preset = preset_of(name, core)
        assert counted(preset.model) == pytest.approx(millions * 1e6, rel=0.2)
        assert (preset.train.device, preset.train.bf16, preset.train.compiled) == ("cuda", True, True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=f"preset '{name}' is for a GPU"):
        require_trainable(preset_of(name))
    require_trainable(preset_of("small"))


def test_a_row_that_reads_backwards_is_no_run_of_its_own() -> None:
    require_trainable(preset_of("paper/rnn-uni"))
    with pytest.raises(ValueError, match="pixelbytes reproduce DATASET --only paper/rnn"):
        require_trainable(preset_of("paper/rnn"))


def test_variants_are_named_with_or_without_the_papers_prefix_and_stand_in_its_order() -> None:
    names = [preset.name for preset in chosen_presets(["rnn", "paper/ssm-1"], 3, 7)]
    assert names == ["paper/ssm-1", "paper/rnn"]
    assert {(one.train.epochs, one.train.seed) for one in chosen_presets([], 3, 7)} == {(3, 7)}
    assert len(chosen_presets([], 3, 7)) == 15
    with pytest.raises(ValueError, match=r"no row 'small': choose of ssm-1, .*rnn-uni"):
        chosen_presets(["rnn", "small"], 3, 7)
    with pytest.raises(ValueError, match="epochs is 0"):
        chosen_presets([], 0, 0)


def test_both_checkpoints_and_all_baselines_are_judged_on_the_same_excerpts(found: Reproduction, place: Path) -> None:
    assert [one.preset for one in found.variants] == ["paper/rnn-n32", "paper/rnn-uni"]
    assert {one.name for one in found.baselines} >= {"RepeatLast", "CopyAbove", "Bigram", "NGram5", "Counts2D"}
    excerpts = {one.paper.excerpts for one in found.baselines}
    for variant in found.variants:
        excerpts |= {variant.last.paper.excerpts, variant.best.paper.excerpts}
        assert (variant.last.epoch, [x for x, _ in variant.train_curve]) == (2, [2.0])
        assert variant.parameters == counted(PRESETS[variant.preset].model)
        assert variant.best.validation_bits == min(bits for _, bits in variant.validation_curve)
    assert len(excerpts) == 1
    assert len(found.missing) == 13
    assert read_reproduction(place / REPRODUCTION) == found


def test_a_killed_reproduction_goes_on_and_ends_as_an_unbroken_one(found: Reproduction, tmp_path: Path) -> None:
    presets = chosen_presets(CHOSEN, 2, 0)
    killed = Watch(die_at=11)  # in the second variant
    with pytest.raises(Enough):
        reproduce(ground(tmp_path), presets, killed)
    assert [one.preset for one in read_reproduction(tmp_path / REPRODUCTION).variants] == ["paper/rnn-n32"]
    again, told = Watch(), []
    ended = reproduce(ground(tmp_path), presets, again, told.append)
    assert (again.steps["paper/rnn-n32"], len(told)) == (0, 3)
    assert again.steps["paper/rnn-uni"] > 0
    for one, other in zip(ended.variants, found.variants, strict=True):
        assert replace(one, seconds=0.0) == replace(other, seconds=0.0)


def test_finished_variants_stay_when_others_are_asked_for_and_damage_is_measured_anew(
    found: Reproduction, place: Path
) -> None:
    (place / "results" / "rnn-n32.json").write_text("{", encoding="utf-8")
    assert read_reproduced(place / "results" / "rnn-n32.json") is None
    watch = Watch()
    again = reproduce(ground(place), chosen_presets(["rnn-n32"], 2, 0), watch)
    assert watch.steps == {"paper/rnn-n32": 0}
    assert again == found


def test_what_is_no_reproduction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no row of the paper's table is to be trained"):
        reproduce(ground(tmp_path), [])
    with pytest.raises(ValueError, match="'small' is no row"):
        reproduce(ground(tmp_path), [preset_of("small")])
    path = tmp_path / REPRODUCTION
    path.write_text('{"epochs": 1}', encoding="utf-8")
    with pytest.raises(ValueError, match="is not a reproduction"):
        read_reproduction(path)


def test_the_table_has_the_papers_rows_with_ours_beside_them_and_the_baselines_below(found: Reproduction) -> None:
    console = Console(width=250)
    with console.capture() as out:
        console.print(reproduction_table(found))
    lines = out.get().splitlines()
    (row,) = (line for line in lines if "RNN, state 32" in line)
    last, best = found.variants[0].last.paper, found.variants[0].best.paper
    for paper in (last, best):
        assert f"{paper.hamming:.3f} {paper.cosine:.3f} {paper.bleu:.3f}" in row
    assert "0.149 0.899 0.785" in row
    assert "41,789" in row
    assert f"{last.centre_accuracy:.1%}" in row
    (absent,) = (line for line in lines if "attention, 1 layer" in line)
    assert "0.157 0.887 0.765" in absent
    assert reproduction_table(found).row_count == 15 + len(found.baselines)


def test_figures_and_page_name_every_variant_and_fetch_nothing(found: Reproduction, tmp_path: Path) -> None:
    page = write_page(found, tmp_path).read_text(encoding="utf-8")
    files = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert files == ["bleu.svg", "cosine.svg", "hamming.svg", "losses.svg"]
    for name in files:
        root = ET.fromstring((tmp_path / "figures" / name).read_text(encoding="utf-8"))  # noqa: S314 - made here
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "RNN, state 32" in "".join(root.itertext())
    assert len(reproduction_figures(found)) == 3
    assert len(loss_figures(found.variants)) == 2
    for row in PAPER:
        assert row.name in page
    assert all(word not in page for word in ("http://", "https://", "<script", "@import"))
    assert page.count("not trained") == 13


def test_a_page_of_baselines_alone_can_be_made_before_any_variant_is_finished(
    found: Reproduction, tmp_path: Path
) -> None:
    page = write_page(replace(found, variants=()), tmp_path).read_text(encoding="utf-8")
    assert page.count("not trained") == 15
    assert not (tmp_path / "figures" / "losses.svg").exists()


def test_a_plan_counts_steps_and_writes_nothing(tmp_path: Path) -> None:
    (preset,) = chosen_presets(["rnn-n32"], 12, 0)
    pace = measured_pace(ground(tmp_path).data, preset)
    sequences = sum(-(-int(length) // 32) for length in stripes_data().train.lengths)
    assert pace.steps == 12 * -(-sequences // 32)
    assert (pace.parameters, pace.evaluations) == (41_789, 3)
    assert pace.seconds >= pace.steps * pace.step_seconds > 0
    assert list(tmp_path.iterdir()) == []
    assert plan_table([pace, pace]).row_count == 3
    assert [duration(one) for one in (90.0, 3600.0, 36_000.0)] == ["90 s", "60 min", "10.0 h"]


def test_a_reproduction_has_one_place_for_its_release_epochs_and_seed(release: Release, tmp_path: Path) -> None:
    places = {reproduction_folder(release, tmp_path, epochs, seed) for epochs in (1, 200) for seed in (0, 1)}
    assert len(places) == 4
    assert {place.parent for place in places} == {tmp_path}
    assert reproduction_folder(release, tmp_path, 200, 0).name.startswith("tests-beasts-v1.0.0-e200-s0-")
    other = replace(release, manifest=replace(release.manifest, digest="d" * 64))
    assert reproduction_folder(other, tmp_path, 200, 0) not in places


def test_a_release_without_a_test_split_is_refused(release: Release, tmp_path: Path) -> None:
    counts = {**release.manifest.counts, "test": 0}
    bare = replace(release, manifest=replace(release.manifest, counts=counts))
    with pytest.raises(ValueError, match="no records in its test split"):
        Ground.of(bare, tmp_path)
    require_splits(release)
