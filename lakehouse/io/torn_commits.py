"""After a power cut the newest commits of a table may be incomplete: they are taken back before a start."""

import json
import logging
from pathlib import Path
from urllib.parse import unquote

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import clear_cache, table_uri

log = logging.getLogger("lumbung.delta")


def take_back_torn_commits() -> dict[str, list[int]]:
    """Table -> versions that were taken back, newest first.

    Every table then ends with a complete commit; the batch that wrote the others was not finished and is
    repeated. Their files are kept with the suffix `.torn`. An object store stores a file whole or not at all.
    """
    taken: dict[str, list[int]] = {}
    for table in contracts():
        folder = Path(table_uri(table))
        while (
            "://" not in table_uri(table) and (commit := _newest_commit(folder)) and _is_torn(commit, folder)
        ):
            log.warning("%s: version %d is incomplete and is taken back", table, int(commit.stem))
            commit.rename(commit.with_suffix(".torn"))
            commit.with_name(f".{commit.name}.crc").unlink(missing_ok=True)
            taken.setdefault(table, []).append(int(commit.stem))
    if taken:
        clear_cache()
    return taken


def _newest_commit(folder: Path) -> Path | None:
    """The newest commit of a table that no checkpoint contains; None when there is none."""
    log_folder = folder / "_delta_log"
    newest = max(log_folder.glob("[0-9]*.json"), default=None)
    summary = max((file.name.partition(".")[0] for file in log_folder.glob("[0-9]*.checkpoint*")), default="")
    return newest if newest is not None and newest.stem > summary else None


def _is_torn(commit: Path, folder: Path) -> bool:
    """Whether the commit cannot be read whole, or a file that it adds is not as long as it says."""
    try:
        actions = [json.loads(line) for line in commit.read_bytes().splitlines()]
    except ValueError:
        return True
    files = [
        (folder / unquote(action["add"]["path"]), action["add"]["size"])
        for action in actions
        if "add" in action
    ]
    return not actions or any(not file.exists() or file.stat().st_size != size for file, size in files)
