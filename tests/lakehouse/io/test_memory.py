"""Freed memory goes back to the system."""

import platform
import subprocess
import sys

import pytest

from conf.settings import REPO

SCRIPT = """
import os, psutil
from lakehouse.io.memory import release_memory

def used():  # also what the system has swapped out meanwhile
    info = psutil.Process().memory_full_info()
    return (info.rss + info.swap) / 1e6

held = [os.urandom(2_000) for _ in range(50_000)]
held = held[-1:]  # at the end of the heap: without a trim nothing below it is given back
before = used()
release_memory()
print(before - used())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is a function of glibc")
def test_freed_memory_is_given_back():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 50
