import struct
from pathlib import Path

import pytest

from model import event_file
from model.history import EVENTS, HISTORY, History, Moment, read_history
from model.train import train
from tests.stripes import MODEL, log_of, recipe, stripes_data, train_until


def moment(step: int, evaluations: int = 0, bits: float | None = None) -> Moment:
    return Moment(
        step=step,
        epoch=0,
        evaluations=evaluations,
        train_bits=None if bits else 2.5,
        validation_bits=bits,
        learning_rate=0.25,
        tokens_per_second=9.0,
        seconds=1.0,
        time=1e9,
    )


def steps_of(run: Path) -> list[tuple[int, int]]:
    return [(one.step, one.evaluations) for one in read_history(run)]


def test_a_history_that_is_opened_again_forgets_what_will_be_done_again(tmp_path: Path) -> None:
    history = History(tmp_path, 0, 0)
    for one in (moment(20), moment(30, 1, 99.0), moment(40, 1), moment(60, 2, 98.0)):
        history.add(one)
    History(tmp_path, 60, 1)  # its state was kept before the second evaluation
    assert steps_of(tmp_path) == [(20, 0), (30, 1), (40, 1)]
    History(tmp_path, 30, 1)
    assert steps_of(tmp_path) == [(20, 0), (30, 1)]
    History(tmp_path, 0, 0)
    assert steps_of(tmp_path) == []


def test_a_line_torn_by_a_kill_is_left_out_and_a_damaged_one_refused(tmp_path: Path) -> None:
    History(tmp_path, 0, 0).add(moment(20))
    path = tmp_path / HISTORY
    path.write_text(path.read_text() + '{"step": 4')
    assert steps_of(tmp_path) == [(20, 0)]
    History(tmp_path, 20, 0).add(moment(40))
    assert steps_of(tmp_path) == [(20, 0), (40, 0)]
    path.write_text('{"step": 4\n' + path.read_text())
    with pytest.raises(ValueError, match=r"history\.jsonl holds a line that is no moment of a training"):
        read_history(tmp_path)


def test_a_run_without_a_history_has_an_empty_one(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []


def test_a_resumed_run_has_the_history_of_an_unbroken_one(tmp_path: Path) -> None:
    config = recipe(epochs=9, checkpoint_seconds=1e9)  # a state after each epoch of five steps
    train(stripes_data(), MODEL, config, tmp_path / "whole")
    for stop in (3, 21, 23):
        train_until(stop, config, tmp_path / "pieces")
    train(stripes_data(), MODEL, config, tmp_path / "pieces")

    def told(run: str) -> list[tuple[object, ...]]:
        found = read_history(tmp_path / run)
        return [(m.step, m.epoch, m.evaluations, m.train_bits, m.validation_bits, m.learning_rate) for m in found]

    assert told("pieces") == told("whole")
    logged = [line["validation_bits"] for line in log_of(tmp_path / "whole")]
    assert [m.validation_bits for m in read_history(tmp_path / "whole") if m.validation_bits is not None] == logged
    assert [m.step for m in read_history(tmp_path / "whole") if m.train_bits is not None] == [20, 40]
    assert len(list((tmp_path / "pieces" / "logs").glob(f"{EVENTS}.*"))) == 1


def events_in(data: bytes) -> list[bytes]:
    """Read the records of an event file by its format, checksums included."""
    found = []
    while data:
        (length,) = struct.unpack_from("<Q", data)
        body, rest = data[12 : 12 + length], data[12 + length :]
        for stated, of in ((data[8:12], data[:8]), (rest[:4], body)):
            crc = event_file.crc32c(of)
            assert struct.unpack("<I", stated)[0] == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        found.append(body)
        data = rest[4:]
    return found


def test_an_event_file_holds_the_lines_as_tensorboard_reads_them(tmp_path: Path) -> None:
    History(tmp_path, 0, 0).add(moment(20))
    History(tmp_path, 20, 0).add(moment(300, 1, 64.0))
    (path,) = (tmp_path / "logs").glob(f"{EVENTS}.*")
    head, first, second = events_in(path.read_bytes())
    assert head.endswith(b"brain.Event:2")
    assert first[:10] == b"\x09" + struct.pack("<d", 1e9) + b"\x10"
    assert first[10] == 20
    assert b"bits/train_per_target\x15" + struct.pack("<f", 2.5) in first
    assert b"validation" not in first
    assert second[10:12] == b"\xac\x02"  # 300, seven bits a byte
    assert b"bits/validation_per_record\x15" + struct.pack("<f", 64.0) in second
    assert b"learning_rate\x15" + struct.pack("<f", 0.25) in second
