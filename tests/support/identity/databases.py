"""The databases of accounts and devices that tests run on: SQLite, and PostgreSQL where its server is."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.identity import postgres

BOTH = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server for all tests of this worker; its folder must be open to the account that runs it."""
    if postgres.program("postgres") is None:
        pytest.skip(postgres.MISSING)
    with tempfile.TemporaryDirectory(prefix="lumbung-postgres-") as folder:
        Path(folder).chmod(0o755)
        with postgres.server(Path(folder) / "server") as url:
            yield url


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'identity.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    postgres.empty(url)
    return url


@pytest.fixture(scope="module", params=BOTH)
def store_knobs(request: pytest.FixtureRequest) -> dict[str, str]:
    """Knobs of a home with an empty database of each kind, for all tests of a module."""
    if request.param == "sqlite":
        return {}
    url: str = request.getfixturevalue("postgres_url")
    postgres.empty(url)
    return {"DATABASE_URL": url}
