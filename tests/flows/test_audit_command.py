import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2lab

from flows.cli import run
from pipeline.build import build
from pipeline.crawl.raw import RawStore
from pipeline.pixelize import pixelize
from pipeline.release import Release
from pipeline.tokenizer import decode_record
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/sample"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one build and the raw store that it came from."""
    root = tmp_path_factory.mktemp("data")
    store = make_store(root / "raw" / "sample", creatures(60))
    build(sample_source(), store, root / "builds" / NAME, name=NAME)
    return root


def built(data: Path) -> str:
    return str(data / "builds" / NAME)


def told(data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    assert run(["audit", built(data), "--data", str(data), "--json", *more]) == 0
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


def test_the_command_teaches_by_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--help"]) == 0
    assert "pixelbytes audit pixelbytes/sample@v1.0.0" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_the_table_fits_a_terminal_and_says_what_each_number_is(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.console.out.width", 100)
    assert run(["audit", built(data), "--data", str(data)]) == 0
    shown = capsys.readouterr()
    assert "validation: " in shown.out
    assert "…" not in shown.out
    assert max(len(line.rstrip()) for line in shown.out.splitlines()) <= 100
    for word in ("palette", "picture", "caption", "record", "RGB", "PNG", "xz", "lossless", "before quantization"):
        assert word in shown.out
    assert "auditing" in shown.err


def test_what_the_palette_lost_is_recomputed_from_the_raw_pictures(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loss = told(data, capsys, "--split", "test")["palette_loss"]
    release = Release.open(Path(built(data)))
    store = RawStore(data / "raw" / "sample")
    lost = []
    digests = release.table("records", "test")["sha256"].to_pylist()
    for ids, sha256 in zip(release.table("tokens", "test")["tokens"].to_pylist(), digests, strict=True):
        sprite, _ = decode_record(np.array(ids, dtype=np.uint8), release.vocabulary)
        rgb = pixelize(store.get(sha256), release.manifest.config().pictures)
        pair = [rgb2lab(colours / 255) for colours in (rgb, release.palette.rgb[sprite])]
        lost.append(np.sqrt(((pair[0] - pair[1]) ** 2).sum(axis=2)))
    assert isinstance(loss, dict)
    assert loss["mean"] == pytest.approx(np.concatenate([one.ravel() for one in lost]).mean())
    assert loss["worst"] == pytest.approx(max(one.mean() for one in lost))
    assert loss["records"] == len(lost)


def test_without_its_raw_pictures_the_loss_is_not_measured_and_that_is_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data / "builds", tmp_path / "builds")
    answer = told(tmp_path, capsys)
    assert answer["palette_loss"] is None
    assert answer["not_measured"] == f"no raw store of sample at {tmp_path / 'raw' / 'sample'}"
    assert run(["audit", built(tmp_path), "--data", str(tmp_path)]) == 0
    assert "what the palette lost is not measured" in " ".join(capsys.readouterr().out.split())


def test_raw_pictures_that_are_gone_are_counted(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(data, tmp_path / "data")
    records = Release.open(Path(built(data))).table("records", "validation")
    gone = RawStore(tmp_path / "data" / "raw" / "sample").blob_path(records["sha256"][0].as_py())
    gone.unlink()
    answer = told(tmp_path / "data", capsys)
    assert isinstance(answer["palette_loss"], dict)
    assert answer["palette_loss"]["records"] == len(records) - 1
    assert str(answer["not_measured"]).startswith(f"the raw store lacks the pictures of 1 of {len(records)} records")


def test_pictures_by_other_steps_are_not_compared(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data, tmp_path / "data")
    release = Release.open(Path(built(tmp_path / "data")))
    release.with_manifest(transform={**release.manifest.transform, "version": 1})
    answer = told(tmp_path / "data", capsys)
    assert answer["palette_loss"] is None
    assert "made by transform 1" in str(answer["not_measured"])


def test_only_records_no_model_learned_from_are_audited(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", built(data), "--split", "train", "--data", str(data)]) == 2
    assert "validation" in capsys.readouterr().err
