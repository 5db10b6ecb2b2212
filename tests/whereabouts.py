"""What a worker of a pool can be asked: where it is. In a module of its own, so that other processes find it."""

import os
import time


def process_of(_item: object) -> int:
    """Return the number of the process that is asked, after a while in which others are asked, too."""
    time.sleep(0.02)
    return os.getpid()
