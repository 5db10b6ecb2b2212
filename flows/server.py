"""Prefect's temporary server, which must not outlive the command, however that ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

_for_good = ExitStack()  # what holds until the process ends

# Waits for the end of its standard input, which comes when the command ends in any way, then stops the server
_GUARD = """
import os, signal, sys
sys.stdin.read()
try:
    os.kill(int(sys.argv[1]), signal.SIGTERM)
except ProcessLookupError:
    pass
"""


def start_guarded_server() -> None:
    """Start the temporary server that this process's flows will use, and a guard that ends it with us.

    Prefect starts it by itself at the first flow, but leaves it running when the process is killed (kill -9).
    Nothing is started where PREFECT_API_URL names a server.
    """
    _end_at_once()
    if os.environ.get("PREFECT_API_URL"):
        return
    from flows.console import err

    err.print("starting the flow engine (some seconds)", style="dim")
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()  # one per process: flows find the same
    if server.server_process is None:
        # starting takes seconds and blocks, but the process is there at once: the guard must be, too
        threading.Thread(target=_guard, args=(lambda: server.server_process,), daemon=True).start()
        with ThreadPoolExecutor(1, initializer=_deaf_to_interrupts) as starter:
            starter.submit(server.start).result()


def _end_at_once() -> None:
    """Let this process's flows send no heartbeats: at its end a flow waits for their thread, up to a second.

    They would tell a server that a run died. Whoever started the command sees that, and a worker's runs send theirs.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    _for_good.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))


def _deaf_to_interrupts() -> None:
    """Keep Ctrl-C from what this thread starts, which inherits what it does not hear.

    A terminal sends it to the command and to its server alike. The command must be able to report its end.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _guard(started: Callable[[], "subprocess.Popen[bytes] | None"]) -> None:
    while (process := started()) is None:
        time.sleep(0.005)
    command = [sys.executable, "-c", _GUARD, str(process.pid)]
    subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
