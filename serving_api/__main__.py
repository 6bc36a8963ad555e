"""`python -m serving_api`: the API on the configured address."""

import socket
import sys
from contextlib import suppress

import uvicorn

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.settings import refuse_remote, settings
from serving_api.http.connections import BoundedConnection, BoundedWebSocket
from serving_api.http.split_ports import parts

MESSAGE_MAX_BYTES = 65_536  # of a WebSocket's client
PING_SECONDS = 20.0  # a silent client is closed within twice as long


def main() -> int:
    """Serve until SIGTERM. Exit code 5 when the address is not loopback or a secret is missing."""
    # anyio imports this file into the process of the integrity checks without a __main__, which DuckDB needs.
    from serving_api.services import open_keys

    configure_logging()
    knobs = settings().api
    refuse_remote(knobs.host, "API")
    open_keys()  # before the server starts: a missing secret must be an exit code, not a failed lifespan
    config = uvicorn.Config(
        "serving_api.app:app",
        host=knobs.host,
        port=knobs.port,
        log_level=settings().log_level.lower(),
        access_log=False,
        server_header=False,
        proxy_headers=False,  # caller_address reads them, from trusted proxies alone
        log_config=None,  # the format of every process
        http=BoundedConnection,
        ws=BoundedWebSocket,
        ws_max_size=MESSAGE_MAX_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        timeout_keep_alive=knobs.keep_alive_seconds,
        timeout_graceful_shutdown=4,
        backlog=512,
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # uvicorn has stopped in order and repeats the signal
        server.run(sockets=_sockets(config) if knobs.split_ports else None)
    return ExitCode.DONE if server.started else ExitCode.FAILED


def _sockets(config: uvicorn.Config) -> list[socket.socket]:
    """A socket for each of the three ports."""
    opened = []
    for port in (config.port, *parts()):
        config.port = port
        opened.append(config.bind_socket())
    return opened


if __name__ == "__main__":
    sys.exit(main())
