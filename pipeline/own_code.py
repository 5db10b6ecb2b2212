"""A digest of the code that builds: in a checkout it changes without its version."""

import hashlib
from functools import cache
from pathlib import Path

_FLOORS = ("palettes", "pipeline")


@cache
def code_digest() -> str:
    """Return the SHA-256 of every module of the floors that make rows, by path and content."""
    root, digest = Path(__file__).parent.parent, hashlib.sha256()
    for path in sorted(path for floor in _FLOORS for path in (root / floor).rglob("*.py")):
        body = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(body)}\n".encode() + body)
    return digest.hexdigest()
