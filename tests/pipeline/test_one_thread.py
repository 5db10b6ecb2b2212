"""Matrix products on one thread: while it is asked for, and not a moment longer, whichever threads ask."""

import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
from concurrent.futures import ThreadPoolExecutor
import numpy
from threadpoolctl import threadpool_info
from pipeline.one_thread import on_one_thread

def of_products():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

def work(_):
    for _ in range(50):
        with on_one_thread():
            assert of_products() == {1}

before = of_products()
work(0)
assert of_products() == before
with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(4)))
assert of_products() == before
"""


def test_products_have_one_thread_inside_and_as_many_as_before_behind() -> None:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    environment.pop("OMP_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
