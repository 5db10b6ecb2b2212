"""What a release must satisfy before anyone sees it: gates, each with its limit, its value and the worst records."""

from dataclasses import replace

from pipeline.gates.drift import drift
from pipeline.gates.leakage import Sketches, leakage
from pipeline.gates.moves import moves
from pipeline.gates.records import RECORD_GATES, look, record_gates
from pipeline.gates.yields import YIELD_GATES, yield_gates
from pipeline.release import Gate, Release

GATE_NAMES = (*RECORD_GATES, "leakage", *YIELD_GATES, "moved", "drift")
_OF_ROWS = ("schema", "order", "digests", "vocabulary", "decode", "windows")


def check(release: Release, against: Release | None = None) -> tuple[Gate, ...]:
    """Return all gates of a release, passed or not; nothing is written.

    Reads each shard once, a few hundred records at a time. `against` is the last release, when there is one: what was
    lost since, what changed its split and how far the tokens drifted are asked of the two. ValueError for a release
    without its texts or pictures.
    """
    if bare := release.manifest.without:
        raise ValueError(
            f"{release.version.ref} went out without its {' and '.join(bare)}, so no gate can be asked of its rows: it "
            "carries the answers of the whole build that it was made from; check that one."
        )
    with Sketches() as sketches:
        findings = look(release, sketches)
        gates = (*record_gates(findings, release.manifest), leakage(sketches, findings.table()))
    gates += yield_gates(release, against)
    return gates if against is None else (*gates, moves(release, against), drift(findings.tokens, release, against))


def row_faults(release: Release) -> dict[str, tuple[str, ...]]:
    """Return, by gate, the ids whose windows, ids, pictures, captions and digests do not say the same."""
    named = look(release).offenders.named
    return {name: tuple(named.get(name, ())) for name in _OF_ROWS}


def override(gates: tuple[Gate, ...], name: str, because: str) -> tuple[Gate, ...]:
    """Return the gates with one failure let through; the reason goes into the manifest.

    ValueError for a gate that does not exist or a reason that says nothing.
    """
    if name not in {gate.name for gate in gates}:
        raise ValueError(f"gate {name!r} is not known: choose one of {', '.join(gate.name for gate in gates)}.")
    if not because.strip():
        raise ValueError(f"gate {name!r} can only be let through with a reason: add --because TEXT.")
    return tuple(replace(gate, override=because) if gate.name == name and not gate.passed else gate for gate in gates)
