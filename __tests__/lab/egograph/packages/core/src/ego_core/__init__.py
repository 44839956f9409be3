"""What a version of this service does wrong is one word in its file BEHAVIOUR; the tests write it."""

import os
import time
from pathlib import Path

root = Path(__file__).resolve().parents[4]
version = (root / "VERSION").read_text().strip()
behaviour = (root / "BEHAVIOUR").read_text().strip()


def misbehave() -> None:
    print("starting", version, flush=True)
    if behaviour == "crash":
        raise RuntimeError("the disk of thoughts is empty")
    if behaviour == "import":
        __import__("not_in_the_lock")
    if behaviour == "hang":
        time.sleep(600)
    if behaviour == "crash-later":
        import threading

        threading.Timer(5, lambda: os._exit(7)).start()
