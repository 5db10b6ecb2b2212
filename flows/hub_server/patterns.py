"""Which files git would keep as pointers, and which it would ignore: `.gitattributes` and `.gitignore` in the main."""

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import cache

LARGE = 10 * 2**20  # bytes; larger files are never kept by git itself
_ENDINGS = (
    *("arrow", "avro", "h5", "msgpack", "npy", "npz", "parquet"),
    *("7z", "bz2", "gz", "lz4", "mds", "rar", "tar", "tgz", "xz", "zip", "zst"),
    *("bin", "ckpt", "ftz", "joblib", "mlmodel", "model", "onnx", "ot", "pb", "pickle", "pkl", "pt", "pth"),
    *("safetensors", "tflite", "wasm"),
    *("flac", "mp3", "mp4", "ogg", "opus", "pcm", "raw", "wav", "webm"),
    *("gif", "jpeg", "jpg", "png", "tiff", "webp"),
)
GITATTRIBUTES = "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in _ENDINGS).encode()


def lfs_patterns(gitattributes: str) -> list[str]:
    r"""Return the patterns of a `.gitattributes` whose files belong in large file storage.

    >>> lfs_patterns("*.parquet filter=lfs -text\n# a remark\n*.md text")
    ['*.parquet']
    """
    rows = [line.split() for line in gitattributes.splitlines() if not line.lstrip().startswith("#")]
    return [row[0] for row in rows if "filter=lfs" in row[1:]]


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path is one of those; the last pattern that speaks of it decides, `!` takes back.

    >>> matches("data/a.parquet", ["*.parquet"]), matches("b/c.txt", ["b/"]), matches("a.log", ["*.log", "!a.log"])
    (True, True, False)
    """
    found = False
    for pattern in patterns:
        wanted = not pattern.startswith("!")
        if _matches(path, pattern.removeprefix("!")):
            found = wanted
    return found


def ignored(path: str, gitignore: str) -> bool:
    """Tell whether a `.gitignore` would leave a file out."""
    lines = (line.strip() for line in gitignore.splitlines())
    return matches(path, [line for line in lines if line and not line.startswith("#")])


def _matches(path: str, pattern: str) -> bool:
    """Tell whether a pattern names the path or a folder above it; one without a slash is asked of every part."""
    only_folders, bare = pattern.endswith("/"), pattern.rstrip("/")
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts))]
    candidates = above if only_folders else [*above, path]
    compiled = _compiled(bare.removeprefix("/"))
    if "/" in bare:
        return any(compiled.fullmatch(candidate) for candidate in candidates)
    return any(compiled.fullmatch(candidate.rsplit("/", 1)[-1]) for candidate in candidates)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
