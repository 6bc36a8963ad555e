"""`python -m serving_api`: the API on the configured address."""

import logging
import sys

import uvicorn

from conf.settings import refuse_remote, settings


def main() -> int:
    """Serve until SIGTERM. Exit code 5 when the address is not loopback or a secret is missing."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    knobs = settings().api
    refuse_remote(knobs.host, "API")
    from serving_api.access import Bearers  # before the server: a refusal must be an exit code, not a failed lifespan

    Bearers()
    uvicorn.run(
        "serving_api.app:app",
        host=knobs.host,
        port=knobs.port,
        log_level=settings().log_level.lower(),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=4,
        backlog=512,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
