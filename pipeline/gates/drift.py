"""The gate about drift: how far a release's tokens are from those of the last one, as distributions.

The measure is the Jensen–Shannon divergence in bits: 0 for equal distributions, 1 for disjoint ones. Text and pixels
are measured apart, for a picture's accident must not drown in text. It sees which tokens stand, not where: a mirrored
picture or a shuffled text drifts by nothing.

Limits by measurement on the bestiary (508 records), in bits; of random draws the largest of 200:
  text: half of it 0.000, 250 records against 250 others 0.000; other languages 0.03 to 0.10, half of all captions in
    French 0.015, their first sentences alone 0.019, wiki markup left in 0.046, spaces lost 0.098;
  pixels: a random 90 % of it 0.000, half of it 0.002, 250 records against 250 others 0.011; a margin left around every
    picture 0.06, red and blue exchanged 0.15, white background become black 0.27, inverted 0.35, palette reversed 0.56.
Between small releases chance alone drifts far; n records against n others stay below 0.025/n of text, 2.8/n of pixels.
"""

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from palettes.vocabulary import FIRST_COLOUR, LF, Vocabulary
from pipeline.records import SPLITS
from pipeline.release import Gate, Release
from pipeline.shards import batches

MAX_TEXT, CHANCE_TEXT = 0.01, 0.025  # bits; bits × records, for releases so small that chance drifts
MAX_PIXELS, CHANCE_PIXELS = 0.05, 2.8
NAMED = 8  # tokens named of a failure

Counts = Int64[np.ndarray, "256"]  # of each id


def drift(tokens: Counts, new: Release, old: Release) -> Gate:
    """Return the gate for the token counts of a new release against those of an old one, which are read here."""
    if bare := old.manifest.without:
        told = f"not comparable: {old.manifest.version} went out without its {' and '.join(bare)}"
        return Gate(name="drift", limit="asked of releases that hold tokens", value=told, passed=True)
    if new.manifest.vocabulary["digest"] != old.manifest.vocabulary["digest"]:
        told = f"not comparable: {old.manifest.version} has another vocabulary, so this is a major version"
        return Gate(name="drift", limit="asked of releases with one vocabulary", value=told, passed=True)
    before = token_counts(old)
    records = max(1, min(sum(release.manifest.counts.values()) for release in (new, old)))
    text, pixels = slice(LF + 1, FIRST_COLOUR), slice(FIRST_COLOUR, 256)
    limits = MAX_TEXT + CHANCE_TEXT / records, MAX_PIXELS + CHANCE_PIXELS / records
    shares = [[_shares(counts[part]) for counts in (before, tokens)] for part in (text, pixels)]
    found = [float(divergence(*pair).sum()) for pair in shares]
    passed = [value <= limit for value, limit in zip(found, limits, strict=True)]
    worst = [
        name
        for (was, now), first, good in zip(shares, (text.start, pixels.start), passed, strict=True)
        if not good
        for name in moved(was, now, first, new.vocabulary)
    ]
    return Gate(
        name="drift",
        limit=f"at most {limits[0]:.3f} bits of text and {limits[1]:.3f} of pixels from {old.manifest.version}",
        value=f"{found[0]:.4f} of text, {found[1]:.4f} of pixels",
        passed=all(passed),
        worst=tuple(worst),
    )


def token_counts(release: Release) -> Counts:
    """Return how often each id stands in a release; memory holds a few hundred records."""
    counts = np.zeros(256, dtype=np.int64)
    for split in SPLITS:
        for shard in release.shards("tokens", split):
            for table in batches(release.folder / shard.file, ["tokens"]):
                ids: UInt8[np.ndarray, "L"] = table.column("tokens").combine_chunks().flatten().to_numpy()
                counts += np.bincount(ids, minlength=256)
    return counts


def divergence(was: Float64[np.ndarray, "V"], now: Float64[np.ndarray, "V"]) -> Float64[np.ndarray, "V"]:
    """Return what each token adds to the Jensen–Shannon divergence of two distributions, in bits; all of it is ≥ 0.

    >>> divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    middle = (was + now) / 2
    added: Float64[np.ndarray, "V"] = (_bits(was, middle) + _bits(now, middle)) / 2
    return added


def moved(
    was: Float64[np.ndarray, "V"], now: Float64[np.ndarray, "V"], first: int, vocabulary: Vocabulary
) -> tuple[str, ...]:
    """Return the tokens that drifted most, by name and share; `first` is the id of the first of them."""
    order = np.argsort(-divergence(was, now), kind="stable")[:NAMED].tolist()
    return tuple(
        f"{_name(first + place, vocabulary)} {was[place]:.1%} → {now[place]:.1%}"
        for place in order
        if was[place] != now[place]
    )


def _bits(share: Float64[np.ndarray, "V"], middle: Float64[np.ndarray, "V"]) -> Float64[np.ndarray, "V"]:
    ratio = np.divide(share, middle, out=np.ones_like(share), where=share > 0)
    bits: Float64[np.ndarray, "V"] = share * np.log2(ratio)
    return bits


def _shares(counts: Int64[np.ndarray, "V"]) -> Float64[np.ndarray, "V"]:
    shares: Float64[np.ndarray, "V"] = counts / max(1, int(counts.sum()))
    return shares


def _name(token: int, vocabulary: Vocabulary) -> str:
    if token >= len(vocabulary):
        return f"id {token}"
    name = vocabulary.name(token)
    if name == " ":
        return "space"
    return name if name.isascii() and name.isprintable() else f"byte {ord(name):02x}"
