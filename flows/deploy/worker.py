"""The worker: Prefect's own process worker, which first and now and then sees to the runs that were lost."""

import asyncio
import hashlib
import logging
import os
import re
import signal
import socket
from contextlib import suppress

from flows.deploy.recovery import Recovery
from flows.settings import DataRoot

POOL = "pixelbytes"
EVERY = 30.0  # seconds between two looks for lost runs
log = logging.getLogger("pixelbytes.recovery")


def worker_name(root: DataRoot, host: str | None = None) -> str:
    """Return the worker's name: one for each machine and data root, so that the next one knows its runs again.

    >>> from pathlib import Path
    >>> worker_name(DataRoot(Path("/data")), "a/host")
    'pixelbytes-a-host-bd4741'
    """
    safe = re.sub(r"[^\w.-]", "-", host or socket.gethostname())[:100]
    return f"pixelbytes-{safe}-{hashlib.sha256(bytes(root.root)).hexdigest()[:6]}"


def hear_signals() -> None:
    """Let SIGINT and SIGTERM end this process as Ctrl-C does, also when it was started deaf to them.

    A shell starts what runs in its background with SIGINT ignored, which Prefect's worker and its flows would inherit.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def work(name: str, limit: int | None = None) -> None:
    """See to lost runs, then run what the server schedules, until SIGINT or SIGTERM; blocks.

    Flows that run then are ended; the next worker runs them again. RuntimeError when the server cannot be reached.
    """
    from httpx import HTTPError

    hear_signals()
    try:
        asyncio.run(_work(name, limit))
    except KeyboardInterrupt:
        return
    except HTTPError as error:
        raise RuntimeError(f"Prefect's server does not answer ({type(error).__name__}): see PREFECT_API_URL.") from None


async def _work(name: str, limit: int | None) -> None:
    from prefect.workers.process import ProcessWorker

    recovery = Recovery(worker=name)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))  # which asyncio knows to hear
    await asyncio.to_thread(recovery.look, sure=True)
    looking = asyncio.create_task(_look_again(recovery))
    try:
        await ProcessWorker(work_pool_name=POOL, name=name, limit=limit).start(printer=log.info)
    finally:
        looking.cancel()
        with suppress(Exception):  # the server may have ended before us: then the next worker sees to it
            recovery.look(sure=True, stopped=True)


async def _look_again(recovery: Recovery) -> None:
    while True:
        await asyncio.sleep(EVERY)
        try:
            await asyncio.to_thread(recovery.look)
        except Exception:  # the server may be away for a while: the worker waits for it, and so do we
            log.exception("could not look for lost runs; tried again in %.0f s", EVERY)
