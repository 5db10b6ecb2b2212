"""A run: one folder in which a network is trained, judged beside the baselines, and made to draw."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from model.batches import TokenTable, load_tokens
from model.checkpoint import CONFIG, WEIGHTS, CheckpointInfo, load_checkpoint, read_json, settle
from model.evaluate import Evaluation, read_evaluation, write_evaluation
from model.generate import caption_prompt, draw_samples, picture_prompt
from model.judging import NOTHING_MORE, Extras, drawing, extras_of, judge
from model.network import Network, NetworkModel
from model.pictures import sprite_png
from model.presets import Preset
from model.report_data import Captioned, Creature, Illustration, Samples
from model.tensor_files import read_tensors, weights_digest
from model.train import OnProgress, TrainData, train
from palettes.vocabulary import Vocabulary
from pipeline.release import Release, write_text
from pipeline.tokenizer import decode_record

EVALUATION, SAMPLES = "evaluation.json", "samples/samples.json"
MAX_SAMPLES_BYTES = 16 * 2**20  # real ones take some 100 kB
FREE, PROMPTED = 15, 8  # pictures drawn from nothing; captions and pictures given


def run_folder(release: Release, runs: Path, preset: Preset) -> Path:
    """Return where a run of this release, recipe and seed lies: the same for the same three."""
    recipe = f"{release.manifest.digest} {preset.model.digest()} {preset.train.digest()}"
    mark = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    name = release.manifest.name.replace("/", "-")
    called = preset.name.replace("/", "-")
    parts = (name, release.manifest.version, preset.model.core, called, f"s{preset.train.seed}", mark)
    return runs / "-".join(parts)


def train_run(release: Release, runs: Path, preset: Preset, on_progress: OnProgress = lambda _: None) -> Path:
    """Train a preset on a release, or go on with it; return the run's folder."""
    folder = run_folder(release, runs, preset)
    train(TrainData.from_release(release), preset.model, preset.train, folder, on_progress)
    return folder


def checkpoint_of(path: Path) -> Path:
    """Return the checkpoint that a path means: itself, or the best one of a run; ValueError when there is none."""
    for folder in (path, path / "checkpoints" / "best"):
        settle(folder)
        if (folder / "model.safetensors").is_file():
            return folder
    raise ValueError(f"{path} is neither a checkpoint nor a run with one: give data/runs/RUN or its checkpoints/best.")


def load_run(run: Path, vocabulary: Vocabulary) -> tuple[Network, CheckpointInfo]:
    """Return the best network of a run."""
    return load_checkpoint(checkpoint_of(run), vocabulary)


def evaluate_run(release: Release, run: Path, extras: Extras = NOTHING_MORE) -> Evaluation:
    """Return the run's evaluation on the release's test split, made now unless it stands there with all that is asked.

    What else stands there is measured again too, so that nothing is lost.
    """
    path = run / EVALUATION
    if path.is_file():
        found = read_evaluation(path)
        if is_of(run, path, found.weights):
            extras = extras.joined(extras_of(found))
            if extras == extras_of(found):
                return found
    evaluation = evaluate_checkpoint(release, checkpoint_of(run), extras)
    write_evaluation(evaluation, path)
    return evaluation


def evaluate_checkpoint(release: Release, checkpoint: Path, extras: Extras = NOTHING_MORE) -> Evaluation:
    """Score a checkpoint and all baselines, which are fitted to the training split alone, on the test split."""
    network, _ = load_checkpoint(checkpoint, release.vocabulary)
    found = judge(release, [NetworkModel(network)], extras)
    return replace(found, weights=weights_digest(network.state_dict()))


def is_of(run: Path, path: Path, weights: str) -> bool:
    """Tell whether a file of a run was made with its best checkpoint: by the weights it names, else by its time."""
    best = checkpoint_of(run)
    if weights:
        return weights == weights_digest(read_tensors(best / WEIGHTS))
    return path.stat().st_mtime >= (best / CONFIG).stat().st_mtime


def sample_run(release: Release, run: Path) -> Samples:
    """Draw from nothing, from held-out captions and from held-out pictures; keep it all in the run's folder."""
    path = run / SAMPLES
    if path.is_file() and is_of(run, path, samples_weights(run)):
        return read_samples(run)
    vocabulary = release.vocabulary
    network, _ = load_run(run, vocabulary)
    real = [decode_record(ids, vocabulary) for ids in _spread(load_tokens(release, "test"), PROMPTED)]
    how = drawing(release)
    nothing = [np.zeros(0, dtype=np.uint8)] * FREE
    free = draw_samples(network, vocabulary, nothing, "image_first", how)
    captions = [caption_prompt(caption, vocabulary) for _, caption in real]
    drawn = draw_samples(network, vocabulary, captions, "text_first", how)
    pictures = [picture_prompt(sprite, vocabulary) for sprite, _ in real]
    told = draw_samples(network, vocabulary, pictures, "image_first", how)
    samples = Samples(
        from_nothing=tuple(Creature(sprite=one.sprite, caption=one.caption) for one in free),
        from_captions=tuple(
            Illustration(caption=caption, sprite=one.sprite, real=sprite)
            for one, (sprite, caption) in zip(drawn, real, strict=True)
        ),
        from_pictures=tuple(
            Captioned(sprite=sprite, caption=one.caption, real=caption)
            for one, (sprite, caption) in zip(told, real, strict=True)
        ),
    )
    write_samples(samples, path, vocabulary, weights_digest(network.state_dict()))
    return samples


def _spread(table: TokenTable, count: int) -> list[UInt8[np.ndarray, "_"]]:
    """Return so many records, evenly spread over the split."""
    return [table.record(i) for i in np.linspace(0, len(table) - 1, min(count, len(table))).astype(int).tolist()]


def write_samples(samples: Samples, path: Path, vocabulary: Vocabulary, weights: str = "") -> None:
    """Write samples as JSON (sprites as rows of palette indices), and a PNG of each drawn sprite beside it.

    `weights` is the digest of the network's that drew them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn: list[Creature | Illustration] = [*samples.from_nothing, *samples.from_captions]
    for number, one in enumerate(drawn):
        kind = "nothing" if isinstance(one, Creature) else "caption"
        (path.parent / f"{number:03d}-{kind}.png").write_bytes(sprite_png(one.sprite, vocabulary.palette.rgb))
    told = {**asdict(samples), "weights": weights}
    write_text(path, json.dumps(told, default=np.ndarray.tolist, ensure_ascii=False))


def read_samples(run: Path) -> Samples:
    """Return the samples that a run has drawn; empty when it has drawn none, ValueError when the file is damaged."""
    path = run / SAMPLES
    if not path.is_file():
        return Samples()
    told = read_json(path, MAX_SAMPLES_BYTES)
    try:
        return Samples(
            from_nothing=tuple(Creature(**_with_sprites(row)) for row in told["from_nothing"]),
            from_captions=tuple(Illustration(**_with_sprites(row)) for row in told["from_captions"]),
            from_pictures=tuple(Captioned(**_with_sprites(row)) for row in told["from_pictures"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{path} holds no samples ({error!r}): remove it, then train again to draw new ones."
        ) from error


def samples_weights(run: Path) -> str:
    """Return the digest of the weights that drew a run's samples; empty where older versions drew them."""
    return str(read_json(run / SAMPLES, MAX_SAMPLES_BYTES).get("weights", ""))


def _with_sprites(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose lists are sprites again; ValueError when one has no rows of equal width."""
    found = {name: np.array(value, dtype=np.uint8) if isinstance(value, list) else value for name, value in row.items()}
    if any(isinstance(value, np.ndarray) and value.ndim != 2 for value in found.values()):  # noqa: PLR2004 - h, w
        raise ValueError("a sprite is no grid of palette indices")
    return found
