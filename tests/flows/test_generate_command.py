import json
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image

from flows import known_models
from flows.cli import run
from flows.hub_server.running import running_hub
from model.checkpoint import CheckpointInfo, save_checkpoint
from model.config import ModelConfig
from model.model_card import export_model
from model.network import Network
from palettes.vocabulary import Vocabulary
from pipeline.publishing.client import hub_client
from pipeline.publishing.hub_repo import HubRepo
from pipeline.records import DatasetVersion
from tests.exported import finished_run, small_release
from tests.on_hub import IGNORE_CLIENT

VOCABULARY = Vocabulary()
DATASET = DatasetVersion(repo_id="tests/beasts", tag="v1.0.0", revision="", digest="0" * 64)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network that ends captions soon: drawing is a matter of milliseconds."""
    torch.manual_seed(0)
    config = ModelConfig(d_model=6, d_state=4, layers=1, k=3)
    network = Network(config, len(VOCABULARY))
    with torch.no_grad():
        network.head.bias[2] += 3
    info = CheckpointInfo(
        model=config, vocabulary=VOCABULARY, dataset=DATASET, training_digest="", step=0, validation_bits=None
    )
    folder = tmp_path_factory.mktemp("runs") / "one" / "checkpoints" / "best"
    save_checkpoint(folder, network, info)
    return str(folder.parent.parent)


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    """A picture of 4 rows in two of the palette's colours."""
    colours = VOCABULARY.palette.rgb[np.array([[1, 2], [2, 2], [1, 1], [2, 1]])]
    path = tmp_path / "drawing.png"
    Image.fromarray(colours.astype(np.uint8)).save(path)
    return path


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def test_pictures_texts_a_sheet_and_a_list_are_written_and_drawing_again_goes_on(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    common = [checkpoint, "--out", str(out), "--seed", "3", "--scale", "2", "--data", str(tmp_path)]
    assert run(["generate", *common, "--count", "3"]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".jsonl"}
    assert set(before) == {f"{n:03d}.{kind}" for n in range(3) for kind in ("png", "txt")} | {"contact-sheet.png"}
    assert "▀" in capsys.readouterr().out
    assert run(["generate", *common, "--count", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["numbers"] == [3, 4]
    assert all((out / name).read_bytes() == body for name, body in before.items())
    assert (out / "contact-sheet-003.png").is_file()
    told = lines(out)
    assert [(one["seed"], one["number"]) for one in told] == [(3, n) for n in range(5)]
    for one in told:
        with Image.open(out / str(one["picture"])) as image:
            assert image.size == (2 * int(str(one["width"])), 2 * int(str(one["height"])))
        assert (out / f"{one['number']:03d}.txt").read_text() == f"{one['caption']}\n"
    assert run(["generate", *common[:1], "--out", str(tmp_path / "all"), *common[3:], "--count", "5"]) == 0
    assert [one["caption"] for one in lines(tmp_path / "all")] == [one["caption"] for one in told]


def test_a_number_that_is_taken_is_refused_and_another_is_drawn_again(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["generate", checkpoint, "--data", str(tmp_path)]
    assert run([*common, "--out", str(tmp_path / "a"), "--count", "3"]) == 0
    assert run([*common, "--out", str(tmp_path / "a"), "--count", "2", "--first", "2"]) == 2
    assert "already holds sample 002" in " ".join(capsys.readouterr().err.split())
    assert run([*common, "--out", str(tmp_path / "b"), "--count", "1", "--first", "2"]) == 0
    assert (tmp_path / "b" / "002.png").read_bytes() == (tmp_path / "a" / "002.png").read_bytes()


def test_a_caption_is_read_by_its_tokens_and_told_what_had_none(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    begun = ["--caption", "Flabébé 漢!", "--count", "1", "--out", str(out), "--data", str(tmp_path)]
    assert run(["generate", checkpoint, *begun]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "'é' read as 'e', '漢' left out" in said
    assert "read as: flabebe !" in said
    assert [one["caption"] for one in lines(out)] == ["flabebe !"]
    assert lines(out)[0]["order"] == "text_first"


def test_a_picture_is_described(checkpoint: str, tmp_path: Path, drawing: Path) -> None:
    out = tmp_path / "out"
    begun = ["--picture", str(drawing), "--count", "2", "--out", str(out), "--scale", "1", "--data", str(tmp_path)]
    assert run(["generate", checkpoint, *begun]) == 0
    for name in ("000.png", "001.png"):
        with Image.open(out / name) as image, Image.open(drawing) as real:
            assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(real))


@pytest.mark.parametrize("more", [[], ["--caption", "a beast"]])
def test_half_a_picture_is_drawn_on(checkpoint: str, tmp_path: Path, drawing: Path, more: list[str]) -> None:
    out = tmp_path / "out"
    begun = ["--complete", str(drawing), "--count", "2", "--out", str(out), "--scale", "1", "--data", str(tmp_path)]
    assert run(["generate", checkpoint, *begun, *more]) == 0
    with Image.open(out / "001.png") as image, Image.open(drawing) as real:
        assert np.array_equal(np.asarray(image.convert("RGB"))[:2], np.asarray(real)[:2])
        assert image.size == real.size
    assert not more or {one["caption"] for one in lines(out)} == {"a beast"}


def test_a_large_picture_is_made_small_as_the_dataset_s_are(checkpoint: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    out = tmp_path / "out"
    given = ["--picture", str(tmp_path / "large.png"), "--count", "1", "--out", str(out), "--data", str(tmp_path)]
    assert run(["generate", checkpoint, *given]) == 0
    assert (lines(out)[0]["height"], lines(out)[0]["width"]) == (25, 15)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--caption", "a", "--picture", "b.png"], "give --picture alone"),
        (["--picture", "a.png", "--complete", "b.png"], "give --picture alone"),
        (["--rows", "3"], "give both"),
        (["--picture", "nowhere.png"], "no file of at most"),
        (["--complete", "{drawing}", "--rows", "4"], "give 0 to 3"),
        (["--caption", "漢"], "no character with a token"),
        (["--count", "0"], "at least 1"),
        (["--first", "-1"], "--first -1"),
        (["--seed", "-1"], "seed is -1"),
        (["--temperature", "-1"], "temperature is -1"),
        (["--top-k", "0"], "top_k is 0"),
        (["--top-p", "1.5"], "top_p is 1.5"),
        (["--out", "{drawing}"], "is a file"),
    ],
)
def test_what_cannot_be_drawn_ends_with_2_and_says_why(
    *,
    checkpoint: str,
    tmp_path: Path,
    drawing: Path,
    given: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [one.format(drawing=drawing) for one in given]
    assert run(["generate", checkpoint, *arguments, "--data", str(tmp_path)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "generated").exists()


def test_a_model_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", str(tmp_path / "none"), "--data", str(tmp_path)]) == 2
    assert "neither a checkpoint nor a run" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
@pytest.mark.filterwarnings(IGNORE_CLIENT)
def test_an_exported_model_draws_from_its_folder_and_from_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release = small_release(tmp_path / "release")
    made = export_model(finished_run(release, tmp_path / "runs"), tmp_path / "export", "org/model", release)
    common = ["--count", "1", "--data", str(tmp_path / "data")]
    assert run(["generate", str(made.folder), *common, "--out", str(tmp_path / "a")]) == 0
    with running_hub(tmp_path / "hub") as hub:
        repo = HubRepo("org/model", "model", HfApi(endpoint=hub.endpoint, token=hub.token))
        commit = repo.commit(made.folder, repo.made(private=False).head, made.version)
        repo.tag(made.version, commit)
        monkeypatch.setattr(known_models, "hub_client", lambda: hub_client(hub.endpoint))
        assert run(["generate", f"hub:org/model@{made.version}", *common, "--out", str(tmp_path / "b")]) == 0
        requests = len(hub.seen)
        assert run(["generate", "hub:org/model", *common]) == 0
        assert len(hub.seen) < 2 * requests  # its files are here already
        assert run(["generate", "hub:org/model@v9.9.9", *common]) == 2
        assert f"has no version 'v9.9.9': it has {made.version}" in " ".join(capsys.readouterr().err.split())
        assert run(["generate", "hub:org/none", *common]) == 2
    assert (tmp_path / "b" / "000.png").read_bytes() == (tmp_path / "a" / "000.png").read_bytes()
    (made.folder / "config.json").write_text("{}")
    assert run(["generate", str(made.folder), *common]) == 2
    assert "download the model again" in " ".join(capsys.readouterr().err.split())
