"""Eyes and mouths as stamps of whole pixels: too small to leave to geometry.

K black, W white, I iris, L light iris, D dark iris, O ink of the layer's colour, `.` nothing.
"""

from typing import Final

from pipeline.sample.shapes import Eye, Mouth

Stamp = tuple[str, ...]

_EYES: Final[dict[str, tuple[Stamp, Stamp, Stamp, Stamp]]] = {
    "round": (
        ("WI", "IK"),
        ("WI", "IK", "IK"),
        (".KKK", "KWIK", "KIIK", ".KKK"),
        (".KKK.", "KWWIK", "KWIIK", "KIIIK", ".KKK."),
    ),
    "bright": (
        ("WI", "II"),
        ("WIK", "IIK", "IIK"),
        ("KKKK", "WWIK", "WIIK", "WIIK"),
        ("KKKKK", "KWWIK", "KWIIK", "KWIIK", ".WII."),
    ),
    "stern": (
        ("KK", "WI"),
        ("KKK", "WIK", "II."),
        ("KKKK", "KWIK", "WIIK", ".II."),
        ("KKKKK", "KKIIK", "WWIIK", "WIIIK", ".III."),
    ),
    "drowsy": (
        ("KK", "II"),
        ("KKK", "IWK", "II."),
        ("KKKK", "IWIK", "IIIK", ".KK."),
        ("KKKKK", "KKKKK", "IWIIK", "IIIIK", ".KKK."),
    ),
}

_MOUTHS: Final[dict[str, Stamp]] = {
    "smile": ("K..K", ".KK."),
    "line": ("KKK",),
    "fangs": ("KKKK", "W..W"),
    "open": ("KKK", "KOK"),
    "none": (".",),
}


def eye_stamp(eye: Eye, pixel: int) -> Stamp:
    """Return the stamp of an eye that fits the room it has; `pixel` is the side of a pixel in 1/16 units."""
    room = eye.reach * 16 // pixel
    size = 0 if room < 3 else 1 if room < 5 else 2 if room < 9 else 3  # noqa: PLR2004 - pixels of room
    return _EYES[eye.style][size]


def mouth_stamp(mouth: Mouth) -> Stamp:
    """Return the stamp of a mouth."""
    return _MOUTHS[mouth.style]
