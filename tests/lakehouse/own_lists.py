"""Reference lists of a home of its own, laid over those of the repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conf.settings import settings
from lakehouse import families, reference, reference_files
from lakehouse.trading import exchanges


@contextmanager
def own_lists(home: Path, **files: str) -> Iterator[Path]:
    """LUMBUNG_HOME is `home`, with `reference/<name>.yml` of these texts; the folder is returned."""
    before = settings().home
    folder = home / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    settings().home = home
    forget_lists()
    try:
        yield folder
    finally:
        settings().home = before
        forget_lists()


def forget_lists() -> None:
    """Read the lists again when they are needed."""
    for module in (reference, families, reference_files, exchanges):
        for cached in vars(module).values():
            if hasattr(cached, "cache_clear") and cached.__module__ == module.__name__:
                cached.cache_clear()
