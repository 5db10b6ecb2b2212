"""TensorBoard's event files, written without TensorBoard: scalars alone, in the few bytes that they take.

A file is a sequence of records: length (8 bytes, little-endian), its checksum, the bytes of a protocol-buffer Event,
their checksum. Checksums are CRC-32C, rotated and shifted as the format's readers expect. Written from the public
format definitions `tensorflow/core/lib/io/record_writer` and `event.proto`.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

POLYNOMIAL = 0x82F63B78  # CRC-32C, reversed
MASK = 0xA282EAD8
WALL_TIME, STEP, FILE_VERSION, SUMMARY = 0x09, 0x10, 0x1A, 0x2A  # field number and kind of an Event
VALUE, TAG, SIMPLE_VALUE = 0x0A, 0x0A, 0x15  # of a Summary, and of a Value


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        found.append(crc)
    return tuple(found)


_CRC = _table()


def crc32c(data: bytes) -> int:
    """Return the Castagnoli checksum of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF)


def _record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return length + _masked(length) + event + _masked(event)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _sized(field: int, body: bytes) -> bytes:
    return bytes([field]) + _varint(len(body)) + body


def header(wall_time: float) -> bytes:
    """Return the record that every event file begins with."""
    return _record(bytes([WALL_TIME]) + struct.pack("<d", wall_time) + _sized(FILE_VERSION, b"brain.Event:2"))


def scalars(step: int, wall_time: float, values: Mapping[str, float]) -> bytes:
    """Return the record of some named numbers at a step, `wall_time` in seconds since 1970."""
    said = b"".join(
        _sized(VALUE, _sized(TAG, name.encode()) + bytes([SIMPLE_VALUE]) + struct.pack("<f", value))
        for name, value in values.items()
    )
    moment = bytes([WALL_TIME]) + struct.pack("<d", wall_time) + bytes([STEP]) + _varint(step)
    return _record(moment + _sized(SUMMARY, said))


def append(path: Path, records: bytes) -> None:
    """Add records to a file."""
    with path.open("ab") as file:
        file.write(records)
