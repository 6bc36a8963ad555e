"""The files of the watched folder: which are complete, and where they are moved once they are sent."""

import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from conf.settings import settings
from lakehouse.io.source_files.file_events import digest_of

log = logging.getLogger("lumbung.folder")
NAME_CHARACTERS = 200  # of a file name, so that a suffix still fits
PUT_OFF_SECONDS = 60.0  # for a file that the system does not let us read or move


@dataclass(frozen=True)
class Done:
    """A file in done/. `state`: see `state_of`, before it was moved."""

    origin: Path
    state: tuple[int, int]
    until: float  # it is watched up to this time (monotonic seconds)


def state_of(path: Path) -> tuple[int, int]:
    """Size, and time of the last write in ns."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def open_for_writing(paths: Iterable[Path]) -> dict[Path, int]:
    """Files that a process has open for writing, with its pid.

    Processes of other users, of other containers and of other machines cannot be seen.
    """
    wanted = {os.path.realpath(path): path for path in paths}
    held: dict[Path, int] = {}
    for process in psutil.process_iter() if wanted else ():
        try:
            files = process.open_files()
        except psutil.Error:
            continue  # it has ended, or is not ours to look at
        held |= {
            wanted[file.path]: process.pid
            for file in files
            if file.path in wanted and getattr(file, "mode", "w") != "r"
        }
    return held


class Landing:
    """The files of the folder, oldest first."""

    def __init__(
        self, folder: Path, settle_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._done: dict[Path, Done] = {}
        self._seen: dict[Path, tuple[int, float]] = {}  # size, and since when the file has it
        for place in (folder, folder / "done", folder / "refused"):
            place.mkdir(parents=True, exist_ok=True)

    def complete(self) -> list[Path]:
        """Files whose size has not changed for the settling time and that nobody has open for writing."""
        now = self._clock()
        files = self._files()
        self._seen = {path: seen for path, seen in self._seen.items() if path in files}
        for path in files:
            size = path.stat().st_size
            if self._seen.get(path, (-1, 0.0))[0] != size:
                self._seen[path] = (size, now)
        settled = [path for path in files if now - self._seen[path][1] >= self._settle_seconds]
        for path, pid in open_for_writing(settled).items():
            log.info("%s waits: process %d has it open for writing", path.name, pid)
            self._seen[path] = (path.stat().st_size, now)
            settled.remove(path)
        return sorted(settled, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def links(self) -> list[Path]:
        """Symbolic links to files or folders: what they name may lie anywhere on the machine."""
        return [path for path in self._entries() if path.is_symlink()]

    def _files(self) -> list[Path]:
        return [path for path in self._entries() if path.is_file() and not path.is_symlink()]

    def _entries(self) -> list[Path]:
        """What is in the folder and below it (a folder's name may identify a format), except hidden names."""
        entries = []
        for folder, subfolders, names in os.walk(self._folder):
            results = ("done", "refused") if Path(folder) == self._folder else ()
            subfolders[:] = [name for name in subfolders if name not in results and not name.startswith(".")]
            entries += [Path(folder) / name for name in (*names, *subfolders) if not name.startswith(".")]
        return entries

    @property
    def unsettled(self) -> bool:
        """Whether files wait until their size has settled."""
        return bool(self._seen)

    def move(self, path: Path, subfolder: str, reason: str | None = None) -> Path:
        """Move to the same relative folder of done/ or refused/, under a free name, next to the reason."""
        folder = self._folder / subfolder / path.parent.relative_to(self._folder)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / path.name
        nth = 1
        while target.exists():
            target = folder / f"{path.stem[:NAME_CHARACTERS]}.{nth}{path.suffix}"
            nth += 1
        if reason:
            target.with_name(target.name[:NAME_CHARACTERS] + ".reason.txt").write_text(
                reason + "\n", encoding="utf-8"
            )
        path.rename(target)
        self._seen.pop(path, None)
        return target

    def finish(self, path: Path, sha256: str) -> Path | None:
        """Move a sent file to done/; None, and it stays, when it is no longer the bytes that were sent.

        `sha256`: of the bytes that were sent. What is written later brings the file back, see `take_back`.
        """
        state = state_of(path)
        if digest_of(path) != sha256:
            log.warning("%s changed while it was sent; it is sent again, its rows keep their ids", path.name)
            return None
        target = self.move(path, "done")
        self._done[target] = Done(path, state, self._clock() + settings().landing.watch_done_seconds)
        return target

    def take_back(self) -> None:
        """Move files of done/ that were written since back into the folder: they are sent again.

        Their rows keep their ids. A file waits in done/ while another one has its place.
        """
        now = self._clock()
        for target, done in list(self._done.items()):
            if now > done.until or not target.exists():
                del self._done[target]
            elif state_of(target) != done.state and not done.origin.exists():
                log.warning("%s was written after it was sent; it is sent again", target.name)
                target.rename(done.origin)
                del self._done[target]

    def put_off(self, path: Path) -> None:
        """Skip the file for a while, so that it does not block the others."""
        self._seen[path] = (path.lstat().st_size, self._clock() + PUT_OFF_SECONDS)
