"""What `generate` draws and where it goes: pictures, texts, a contact sheet, and a list of how each was drawn."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from flows.begun import Begun
from flows.console import counting, err, out, say
from flows.errors import UsageError
from model.generate import Sample, SampleConfig, draw_samples
from model.judging import one_thread
from model.network import Network
from model.pictures import contact_sheet, sprite_png, terminal_sprite
from model.tensor_files import weights_digest
from palettes.vocabulary import Vocabulary

LIST, SHEET = "samples.jsonl", "contact-sheet"
SHOWN, ON_SHEET = 8, 256  # samples shown in the terminal; sprites of one contact sheet
_NUMBERED = re.compile(r"(\d+)\.(png|txt)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How `generate` draws."""

    count: int
    out: Path
    first: int | None  # number of the first sample; None goes on after those that the folder holds
    scale: int  # screen pixels to a pixel of a PNG
    config: SampleConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Artist:
    """A network with what it was called and what it knows."""

    name: str
    network: Network
    vocabulary: Vocabulary


def draw(artist: Artist, begun: Begun, how: DrawOptions, *, as_json: bool = False) -> list[Sample]:
    """Draw `count` records and keep them as they come; nothing that the folder holds is overwritten.

    UsageError when samples of these numbers are there already.
    """
    one_thread()
    first = _first(how)
    how.out.mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    facts = {"model": artist.name, "weights": weights_digest(artist.network.state_dict())}
    for some in _drawn(artist, begun, how, first):
        for sample in some:
            told = {**facts, **_told(sample, begun, how.config)}
            _keep(sample, told, artist.vocabulary, how)
        samples += some
    sheet = how.out / (f"{SHEET}-{first:03d}.png" if first else f"{SHEET}.png")
    _write(sheet, contact_sheet([one.sprite for one in samples[:ON_SHEET]], artist.vocabulary.palette.rgb))
    if not as_json:
        _show(samples, artist.vocabulary)
    numbers = [sample.number for sample in samples]
    text = f"{len(samples)} pictures and texts in {how.out}, numbers {numbers[0]:03d} to {numbers[-1]:03d}"
    say({"folder": how.out, "numbers": numbers, "sheet": sheet}, text, as_json=as_json)
    return samples


def _drawn(artist: Artist, begun: Begun, how: DrawOptions, first: int) -> Iterator[list[Sample]]:
    """Yield the samples batch by batch, so that a long draw which is stopped leaves what it had."""
    config = how.config
    with counting("drawing", "records") as progress:
        progress(0, how.count)
        for start in range(0, how.count, config.batch):
            prompts = [begun.prompt] * min(config.batch, how.count - start)

            def tell(done: int, _: int, start: int = start) -> None:
                progress(start + done, how.count)

            this = replace(config, first=first + start)
            yield draw_samples(artist.network, artist.vocabulary, prompts, begun.order, this, tell)


def _first(how: DrawOptions) -> int:
    """Return the number of the first sample."""
    names = (_NUMBERED.fullmatch(path.name) for path in how.out.iterdir()) if how.out.is_dir() else ()
    taken = {int(name[1]) for name in names if name}
    if how.first is None:
        return max(taken, default=-1) + 1
    again = sorted(taken & set(range(how.first, how.first + how.count)))
    if again:
        raise UsageError(
            f"{how.out} already holds sample {again[0]:03d}: give another --out, or leave --first out to go on after "
            f"sample {max(taken):03d}."
        )
    return how.first


def _told(sample: Sample, begun: Begun, config: SampleConfig) -> dict[str, object]:
    """Return a line of the list: with the model's weights it is all that is needed to draw the sample again."""
    return {
        "seed": config.seed,
        "number": sample.number,
        "temperature": config.temperature,
        "top_k": config.top_k,
        "top_p": config.top_p,
        "max_side": config.max_side,
        "max_caption": config.max_caption,
        "order": sample.order,
        "begun": begun.what,
        "prompt": begun.prompt.tolist(),
        "bits": round(sample.bits, 3),
        "height": sample.sprite.shape[0],
        "width": sample.sprite.shape[1],
        "picture": f"{sample.number:03d}.png",
        "caption": sample.caption,
    }


def _keep(sample: Sample, told: dict[str, object], vocabulary: Vocabulary, how: DrawOptions) -> None:
    name = f"{sample.number:03d}"
    _write(how.out / f"{name}.png", sprite_png(sample.sprite, vocabulary.palette.rgb, how.scale))
    _write(how.out / f"{name}.txt", f"{sample.caption}\n".encode())
    with (how.out / LIST).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(told, ensure_ascii=False) + "\n")


def _write(path: Path, body: bytes) -> None:
    """Write a file that is not there yet."""
    with path.open("xb") as file:
        file.write(body)


def _show(samples: list[Sample], vocabulary: Vocabulary) -> None:
    for sample in samples[:SHOWN]:
        out.print(Text.from_ansi(terminal_sprite(sample.sprite, vocabulary.palette.rgb)))
        out.print(sample.caption + "\n", markup=False)
    if len(samples) > SHOWN:
        err.print(f"and {len(samples) - SHOWN} more", style="dim")
