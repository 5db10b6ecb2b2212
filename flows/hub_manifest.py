"""What the manifest of a dataset on the Hub says it is, at one commit, without its shards."""

from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.manifest_file import MAX_MANIFEST_BYTES
from pipeline.records import DatasetVersion
from pipeline.release import MANIFEST, DamagedRelease, read_manifest, seal_of


def hub_version(repo_id: str, revision: str) -> DatasetVersion:
    """Return the version that `manifest.json` names at a revision of a dataset's repo, under the commit it lies in.

    Reads with the token of the environment or of the `hf` login, and asks for the size first. DamagedRelease when
    there is no manifest, or none that holds; OSError (HfHubHTTPError) when the Hub does not answer, or says no.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError

    from pipeline.publishing.client import hub_client

    api = hub_client()
    url = hf_hub_url(repo_id, MANIFEST, repo_type="dataset", revision=revision, endpoint=api.endpoint)
    try:
        found = api.get_hf_file_metadata(url=url)
    except RemoteEntryNotFoundError as error:
        raise DamagedRelease(f"there is no {MANIFEST} at {revision}.") from error
    if found.size is None or found.size > MAX_MANIFEST_BYTES:
        raise DamagedRelease(
            f"its {MANIFEST} has {found.size or 'unknown'} bytes, and no manifest of ours has more than "
            f"{MAX_MANIFEST_BYTES}."
        )
    commit = found.commit_hash or revision
    with TemporaryDirectory() as folder:
        path = api.hf_hub_download(repo_id, MANIFEST, repo_type="dataset", revision=commit, cache_dir=folder)
        manifest = read_manifest(Path(path).read_text(encoding="utf-8", errors="replace"))
    if manifest.seal and manifest.seal != seal_of(manifest):
        raise DamagedRelease(f"its {MANIFEST} is not the one that was sealed.")
    return DatasetVersion(repo_id=manifest.name, tag=manifest.version, revision=commit, digest=manifest.digest)
