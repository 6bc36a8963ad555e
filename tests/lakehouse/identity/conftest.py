"""The identity store on SQLite, and on PostgreSQL where its server is installed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.identity import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server for all tests of this worker; its folder must be open to the account that runs it."""
    if postgres.program("postgres") is None:
        pytest.skip(postgres.MISSING)
    with tempfile.TemporaryDirectory(prefix="lumbung-postgres-") as folder:
        Path(folder).chmod(0o755)
        with postgres.server(Path(folder) / "server") as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'identity.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    postgres.empty(url)
    return url
