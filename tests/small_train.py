"""train.py with a network that is built quickly, for tests that run it many times.

small_train.py FLAGS                    runs as train.py does
small_train.py killed flush 9 FLAGS     kills itself when it waits for the disk for the 9th time
small_train.py killed step 9 FLAGS      kills itself after the 9th step on several devices
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model import ARCHITECTURES
from train import main


def shrink_network():
    """Leave two blocks and one small LSTM of the line network; steps stay four pixels wide."""
    ARCHITECTURES["line"] = ARCHITECTURES["line"]._replace(blocks=((16, True, 2), (32, True, 2)), lstm_units=(32,))


def kill_at(owner, name, count):
    """Let a function kill this process, as `kill -9` does, when it is called for the n-th time."""
    function, left = getattr(owner, name), iter(range(count - 1))

    def function_or_death(*args):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args)

    setattr(owner, name, function_or_death)


if __name__ == "__main__":
    shrink_network()
    flags = sys.argv[1:]
    if flags[0] == "killed":
        from mltu.tensorflow.distribute import Distributed
        from mltu.utils import files

        owners = {"flush": (files, "_flush"), "step": (Distributed, "apply_signals")}
        kill_at(*owners[flags[1]], int(flags[2]))
        flags = flags[3:]
    sys.exit(main(flags))
