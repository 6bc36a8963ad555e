"""The reader of the embedded stream, forked from a process that has loaded its libraries.

Loading them takes 0.4 s of CPU, reading the events of a test 0.01 s. A reader remains a process of its own.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from functools import cache

from conf.settings import REPO
from streaming_jobs.embedded import reader


class ForkedReader:
    """What the stream needs of `subprocess.Popen`."""

    def __init__(self, parent: "ReaderParent") -> None:
        for_reader, to_reader = os.pipe()
        from_reader, of_reader = os.pipe()
        self._parent = parent
        self._code: int | None = None
        self._pid = parent.ask("fork", for_reader, of_reader)
        for descriptor in (for_reader, of_reader):
            os.close(descriptor)
        self.stdin, self.stdout = os.fdopen(to_reader, "wb"), os.fdopen(from_reader, "rb")

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._code is None:
            self._parent.ask(f"kill {self._pid}")

    def wait(self) -> int:
        """The exit code; negative: the signal that ended it."""
        if self._code is None:
            self._code = self._parent.ask(f"wait {self._pid}")
        return self._code


class ReaderParent:
    """The process that forks readers. It ends with this one, and its readers with it."""

    def __init__(self) -> None:
        self._requests, other_end = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        command = [sys.executable, "-m", "tests.support.forked_readers"]
        self._process = subprocess.Popen(command, cwd=REPO, stdin=other_end.fileno())
        other_end.close()

    def ask(self, request: str, *descriptors: int) -> int:
        """The answer to `fork`, a process id, or to `kill` or `wait` with one."""
        with self._one_at_a_time:
            socket.send_fds(self._requests, [request.encode()], descriptors)
            return int(self._requests.recv(32))

    def close(self) -> None:
        """End the process."""
        self._requests.close()
        self._process.wait()


@cache
def parent() -> ReaderParent:
    """One for all tests of a worker."""
    return ReaderParent()


def close() -> None:
    """End the process, if a test has started it."""
    if parent.cache_info().currsize:
        parent().close()
        parent.cache_clear()


def start_reader() -> ForkedReader:
    """In place of `streaming_jobs.embedded.feed.start_reader`."""
    return ForkedReader(parent())


def become_reader(stdin: int, stdout: int) -> None:
    """Read Kafka as the program does, with these descriptors in place of the standard ones."""
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.closerange(3, max(stdin, stdout) + 1)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    reader.main()


def main() -> None:
    """Answer requests until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the tests end this process
    requests = socket.socket(fileno=os.dup(0))
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, 64, 2)
        if not request:
            return
        verb, _, pid = request.decode().partition(" ")
        answer = 0
        if verb == "fork":
            answer = os.fork()
            if answer == 0:
                break
            for descriptor in descriptors:
                os.close(descriptor)
        elif verb == "kill":
            os.kill(int(pid), signal.SIGKILL)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(int(pid), 0)[1])
        requests.send(str(answer).encode())
    requests.detach()  # the descriptor is closed with those of the parent
    become_reader(*descriptors)


if __name__ == "__main__":
    main()
