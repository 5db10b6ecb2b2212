"""The bundled sample from a wiki to a page, in one call that can be interrupted anywhere and run again."""

from pathlib import Path

from flows.console import err
from flows.rebuild_dataset import rebuild_dataset
from flows.releasing import released_payload
from flows.server import start_guarded_server
from flows.settings import DataRoot
from flows.train_model import train_model

NAME = "pixelbytes/sample"


def run_demo(root: DataRoot, preset: str, workers: int = 1) -> Path:
    """Rebuild the sample's dataset, train on the version that this ended with, and return the page."""
    start_guarded_server()
    err.print("[bold]1/2[/] from the bundled wiki to a release")
    published = rebuild_dataset("sample", NAME, data=str(root.root), workers=workers)
    state = "published" if published.new else "nothing changed since"
    err.print(f"    {state} {published.version.ref}: {published.release.folder}", soft_wrap=True)
    err.print("[bold]2/2[/] from the release to a model that draws and writes")
    named = released_payload(published.version, root.releases)
    run = train_model(
        named["repo_id"], named["tag"], named["digest"], named["store"], data=str(root.root), preset=preset
    )
    return run / "report.html"
