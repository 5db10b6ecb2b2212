"""The command `pixelbytes`: one function per verb; all work is done below this floor."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from flows import (
    dataset_commands,
    deploy_commands,
    hub_commands,
    model_commands,
    paper_commands,
    release_commands,
    system_commands,
    webhook_commands,
)
from flows.app import Data, Preset, Workers, app, root_for_flows
from flows.errors import BAD_USAGE, DONE, explain, require_port
from flows.settings import ready_hub_client

__all__ = [
    "app",
    "dataset_commands",
    "deploy_commands",
    "hub_commands",
    "main",
    "model_commands",
    "paper_commands",
    "release_commands",
    "run",
    "system_commands",
    "webhook_commands",
]

sample = App(name="sample", help="The bundled bestiary.")
app.command(sample)


@app.command
def demo(*, preset: Preset = "small", data: Data = None, workers: Workers = 1) -> int:
    """Run the bundled sample end to end, to a page: crawl, build, publish, train, evaluate, draw.

    What was interrupted goes on where it stopped; what has not changed is not done again.

    Example: pixelbytes demo
    """
    root = root_for_flows(data)
    from flows.demo import run_demo

    return _say_page(run_demo(root, preset=preset, workers=workers))


@sample.command
def serve(*, port: int = 8090) -> int:
    """Serve the bestiary as a small wiki on loopback, until Ctrl-C.

    Example: pixelbytes sample serve --port 8090
    """
    from flows.console import err
    from pipeline.sample.wiki import run_forever, sample_folder

    require_port(port)
    err.print(f"the bestiary stands at http://127.0.0.1:{port}/ (Ctrl-C ends it)")
    run_forever(sample_folder(), port)
    return DONE


def _say_page(page: Path) -> int:
    from flows.console import out

    out.print(f"the page: {page}", soft_wrap=True)
    return DONE


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad usage, 3 a gate said no."""
    from flows.console import err

    try:
        command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
        done = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        err.print(f"{str(error).strip()} Try pixelbytes --help.", markup=False, soft_wrap=True)
        return BAD_USAGE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last floor
        return explain(error)
    return done if isinstance(done, int) else DONE


def main() -> None:
    """Run the command line."""
    ready_hub_client()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
