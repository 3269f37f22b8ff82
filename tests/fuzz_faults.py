"""Readers with the faults that the fuzzer looks for; a module of its own, which the process that reads can import."""

import ctypes
import os
import signal
import time

from fuzz.inputs.base import Input
from mltu.utils.errors import InputError


def opens(path):
    (path.parent / "../secret.txt").read_text()
    return []


def opens_unknown_to_python(path):
    os.close(ctypes.CDLL(None).open(b"../secret.txt", os.O_RDONLY))
    return []


def fails(path):
    return {}[path.name]


def runs(path):
    os.system("true")
    return []


def executes(path):
    eval("[]")
    return []


def says_two_lines(path):
    return ["one\ntwo"]


def takes_memory(path):
    bytearray(300 << 20)
    return []


def crashes(path):
    os.kill(os.getpid(), signal.SIGSEGV)


def sleeps(path):
    time.sleep(60)


def refuses(path):
    raise InputError(f"{path}: no\nline")


def one_seed():
    return [Input("a.txt", b"content")]
