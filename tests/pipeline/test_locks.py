"""One process at a time: who waits, who is told whom to wait for, and what a dead holder leaves."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.locks import only_one

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from pipeline.locks import only_one
with only_one(Path(sys.argv[1]), "holding", signed=True):
    print("held", flush=True)
    time.sleep(600)
"""


def test_whoever_is_refused_is_told_who_holds_it(tmp_path: Path) -> None:
    with (
        only_one(tmp_path, "working in", signed=True),
        pytest.raises(RuntimeError, match=r"another process is working in .* \(process \d+ since [\d:T+-]+\): let it"),
        only_one(tmp_path, "working in"),
    ):
        pass
    with only_one(tmp_path, "working in"):
        pass


def test_a_lock_that_is_not_signed_stays_as_it_was(tmp_path: Path) -> None:
    with only_one(tmp_path, "working in"):
        pass
    assert (tmp_path / ".lock").read_bytes() == b""


def test_a_patient_one_gets_its_turn_when_the_other_ends(tmp_path: Path) -> None:
    taken, over, done = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with only_one(tmp_path, "working in"):
            taken.set()
            over.wait()
            done.set()

    thread = threading.Thread(target=first)
    thread.start()
    taken.wait()
    threading.Timer(0.3, over.set).start()
    with only_one(tmp_path, "working in", patience=600.0):
        assert done.is_set()
    thread.join()


def test_patience_ends(tmp_path: Path) -> None:
    with (
        only_one(tmp_path, "working in"),
        pytest.raises(RuntimeError, match="another process"),
        only_one(tmp_path, "working in", patience=0.3),
    ):
        pass
    for odd in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="patience is"), only_one(tmp_path, "working in", patience=odd):
            pass


def test_a_holder_that_is_killed_frees_it_and_what_it_wrote_is_not_believed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(RuntimeError, match=f"process {holder.pid} since"), only_one(tmp_path, "working in"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert f"process {holder.pid}" in (tmp_path / ".lock").read_text()
    with only_one(tmp_path, "working in"):
        pass


def test_a_lock_file_with_anything_in_it_is_told_in_bounds(tmp_path: Path) -> None:
    with only_one(tmp_path, "working in"):
        (tmp_path / ".lock").write_bytes(b"\x1b[2J\xff" + b"a" * 10_000)
        with pytest.raises(RuntimeError) as refused, only_one(tmp_path, "working in"):
            pass
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400 + len(str(tmp_path))
