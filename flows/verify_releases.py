"""The flow that looks each night whether all releases are still what was published."""

from prefect import flow

from flows.notices import notify
from flows.retrying import network_task
from flows.settings import DataRoot, data_root
from flows.standing import Standing, faults_of, require_sound, standing_here, standing_on_hub
from pipeline.publishing.faults import HubError


@network_task(name="list {given}")
def list_releases(given: str, root: DataRoot) -> tuple[Standing, ...]:
    """Return every version of a dataset on the Hub."""
    return standing_on_hub(given, root)


@network_task(name="verify {one.ref}")
def verify_release(one: Standing, root: DataRoot) -> tuple[str, ...]:
    """Return what is wrong with one version, in words."""
    return faults_of(one, root)


@flow(
    name="verify-releases",
    log_prints=True,
    validate_parameters=False,
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def verify_releases(hub: tuple[str, ...] = (), *, data: str | None = None) -> int:
    """Verify every version in the default store, and on the Hub of the `hub:org/name` given; return how many.

    DamagedReleases names each one that is not what was published, or could not be read.
    """
    root = data_root(data)
    listed = list(standing_here(root))
    found: dict[str, tuple[str, ...]] = {}
    for given in hub:
        try:
            listed += list_releases(given, root)
        except (HubError, ValueError) as error:
            found[given] = (str(error),)  # the others are still looked at
    for one in listed:
        try:
            found[one.ref] = verify_release(one, root)
        except HubError as error:
            found[one.ref] = (str(error),)
        print(f"{one.ref}: {'; '.join(found[one.ref]) or 'sound'}")  # noqa: T201 - the run's log
    require_sound(found)
    return len(listed)
