"""The command `pixelbytes` itself, and what its verbs share: options with their help, and the data root."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows.engines import EngineName, EngineOptions
from flows.errors import given_by_user
from flows.settings import DATA_VARIABLE, DataRoot, data_root, quiet_prefect
from pipeline.release import code_version

Data = Annotated[
    Path | None, Parameter(name="--data", env_var=DATA_VARIABLE, help="folder for everything that is made")
]
Offline = Annotated[bool, Parameter(negative="", help="use what the raw store holds; ask no site")]
Contact = Annotated[
    str | None, Parameter(help="whom a public site may write to: a mail address, sent as part of the user agent")
]
Allow = Annotated[tuple[str, ...], Parameter(negative="", help="a gate to let through, by its name; needs --because")]
Workers = Annotated[int, Parameter(help="how many build shards")]
Engine = Annotated[EngineName, Parameter(help="what builds shards: threads, processes, or a cluster by dask or ray")]
Address = Annotated[
    str | None, Parameter(help="a cluster that runs already: tcp://HOST:8786 for dask, HOST:6379 for ray")
]
Preset = Annotated[
    str,
    Parameter(help="recipe: small (minutes), tiny (seconds), base or large (a GPU), or paper/rnn-uni and the like"),
]
SourceName = Annotated[str, Parameter(help="a name in pipeline/sources/, a .toml file, or a folder of pictures")]
ReleaseName = Annotated[
    str, Parameter(help="hub:org/name@v1.0.0, org/name@v1.0.0 in the data root, STORE@v1.0.0, or a release folder")
]
Because = Annotated[str, Parameter(help="why the gates of --allow are let through; stands in the release")]
Store = Annotated[
    str | None, Parameter(help="hub:org/name, or a folder of releases; by default releases/ in the data root")
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="write the result as JSON")]

app = App(
    name="pixelbytes",
    help="Datasets that mix pixel art and text, and the small models that read and write both.",
    version=code_version,
    version_flags=["--version"],
)


def engine_of(name: EngineName, workers: int, address: str | None) -> EngineOptions:
    """Return what builds, as options say it; UsageError when these do not go together, or packages are lacking."""
    with given_by_user():
        engine = EngineOptions(name=name, workers=workers, address=address)
        engine.require_installed()
    return engine


def root_for_flows(data: Path | None) -> DataRoot:
    """Return the data root, with Prefect told to stay in it; must come before Prefect is imported."""
    root = data_root(data)
    quiet_prefect(root)
    return root
