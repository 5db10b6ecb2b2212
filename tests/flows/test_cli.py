import json
import shutil
from pathlib import Path

import pytest

from flows.cli import app, run
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Release
from tests.raw_stores import creatures, make_store, sample_source

COMMANDS = (
    "demo",
    "crawl",
    "build",
    "check",
    "verify",
    "inspect",
    "rebuild",
    "train",
    "evaluate",
    "generate",
    "report",
)
NAME = "pixelbytes/sample"
PAST = "20200101T000000Z"


def began(*_: object) -> None:
    raise AssertionError("something was started")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one published release."""
    root = tmp_path_factory.mktemp("data")
    store = make_store(root / "raw" / "sample", creatures(40))
    built = build(sample_source(), store, root / "builds" / NAME, name=NAME)
    FolderStore(root / "releases").publish(built.with_manifest(gates=check(built)))
    return root


@pytest.mark.parametrize("command", [*COMMANDS, "sample serve", "diff", "audit", "survey", "publish"])
def test_every_command_teaches_by_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert f"pixelbytes {command}" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crawl", "nowhere"], "source 'nowhere' is not known"),
        (["build", "sample", "--palette", "vga", "--offline"], "palette 'vga' is not known"),
        (["build", "sample", "--k", "4", "--offline"], "k is 4, but a window needs a centre"),
        (["verify", f"{NAME}@v9.9.9"], "has no version 'v9.9.9': it has v1.0.0"),
        (["train", f"{NAME}@v1.0.0", "--preset", "gigantic"], "preset 'gigantic' is not known"),
        (["inspect", NAME, "9999"], "9999"),
        (["evaluate", "nowhere"], "neither a checkpoint nor a run"),
        (["crawl", "sample", "--limit", "0"], "limit"),
        (["crawl", "pokepedia"], "contact"),
        (["rebuild", "pokepedia"], "contact"),
        (["build", "sample", "--offline", "--out", "/"], "give the path of a new folder"),
        (
            ["rebuild", "sample", "--allow", "nogate", "--because", "a test"],
            "gate 'nogate' is not known: choose one of",
        ),
        (["build", "sample", "--offline", "--crawl", PAST], f"has no finished crawl '{PAST}'"),
        (["rebuild", "sample", "--offline", "--crawl", PAST], f"has no finished crawl '{PAST}'"),
        (["survey", "sample", "--crawl", PAST], f"has no finished crawl '{PAST}'"),
        (["build", "mediawiki-local", "--offline"], "mediawiki-local was never crawled"),
        (["rebuild", "mediawiki-local", "--offline"], "mediawiki-local was never crawled"),
        (["survey", "mediawiki-local"], "mediawiki-local was never crawled"),
        (["frobnicate"], "frobnicate"),
        (["build"], "source"),
    ],
)
def test_what_the_user_cannot_mean_ends_with_2_and_says_why(
    data: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for begin in ("flows.verbs.start_guarded_server", "flows.crawl_verbs.reached", "flows.verbs.reached"):
        monkeypatch.setattr(begin, began)  # it is said before anything starts
    extra = [] if arguments[0] == "frobnicate" else ["--data", str(data)]
    assert run([*arguments, *extra]) == 2
    assert message.casefold() in " ".join(capsys.readouterr().err.split()).casefold()


def test_verify_says_that_every_digest_holds_and_fails_when_one_does_not(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", NAME, "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"release": f"{NAME}@v1.0.0", "faults": []}
    shutil.copytree(data / "releases", tmp_path / "releases")
    release = Release.open(tmp_path / "releases" / NAME / "v1.0.0")
    path = release.folder / release.shards("tokens", "train")[0].file
    path.write_bytes(path.read_bytes()[:-1])
    assert run(["verify", NAME, "--data", str(tmp_path)]) == 1
    assert "has other bytes" in capsys.readouterr().out


def test_check_ends_with_3_when_a_gate_says_no_and_with_0_when_it_is_let_through(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data / "builds" / NAME, tmp_path / "bad")
    Release.open(tmp_path / "bad").with_manifest(text_ratio=0.01)
    bad = str(tmp_path / "bad")
    assert run(["check", bad]) == 3
    assert "FAILED" in capsys.readouterr().out
    assert run(["check", bad, "--allow", "text_ratio"]) == 2
    assert run(["check", bad, "--allow", "text_ratio", "--because", "pictures only"]) == 0
    assert next(g for g in Release.open(tmp_path / "bad").manifest.gates if g.override).name == "text_ratio"


def test_build_offline_needs_no_site(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "built"
    assert run(["build", "sample", "--offline", "--out", str(out), "--data", str(data), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sum(told["counts"].values()) == 40
    assert Release.open(out).manifest.digest == told["digest"]


def test_inspect_shows_the_picture_the_text_and_a_window(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", NAME, "0007", "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "beast number 7" in shown
    assert "▀" in shown
    assert "window" in shown


def test_diff_of_a_release_with_itself_is_empty(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", NAME, f"{NAME}@v1.0.0", "--data", str(data)]) == 0
    assert "no difference" in capsys.readouterr().out


def test_report_of_a_release_is_one_page(data: Path, tmp_path: Path) -> None:
    assert run(["report", NAME, "--out", str(tmp_path / "page.html"), "--data", str(data)]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "<html" in page
    assert "v1.0.0" in page


def test_all_commands_are_there() -> None:
    assert set(COMMANDS) <= set(app)
