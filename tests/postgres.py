"""A PostgreSQL of our own on loopback, from the system's package."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.deployed import until

PROGRAMS = ("initdb", "postgres", "setpriv")
LACKING = [name for name in PROGRAMS if not shutil.which(name)]


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Serve an empty cluster; yield the address that Prefect's server takes. PostgreSQL refuses to run as root."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pixelbytes-postgres-"))
    other: list[str] = []
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        other = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    cluster = str(folder / "cluster")
    known = {**os.environ, "HOME": str(folder), "LC_ALL": "C"}
    made = [*other, "initdb", "-D", cluster, "-U", "prefect", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(made, check=True, env=known, cwd=folder, stdout=subprocess.DEVNULL)
    served = [*other, "postgres", "-D", cluster, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(served, env=known, cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: answers(port), told=(folder / "log").read_text)
        yield f"postgresql+asyncpg://prefect:canary-password@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()  # which waits for its clients: they have ended before
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
