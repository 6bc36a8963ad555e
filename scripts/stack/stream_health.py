"""Health check of the stream's container: exits with 0 while the stream runs and its status is recent."""

from datetime import UTC, datetime

from lakehouse.io.process_status import stream_status

MAX_AGE_SECONDS = 60  # the largest batch takes a fraction of this


def main() -> None:
    """Exit 1 with the reason when the stream does not run."""
    status = stream_status()
    if status is None or status["state"] == "stopped":
        raise SystemExit("the stream does not run")
    age = (datetime.now(UTC) - datetime.fromisoformat(status["updated_at"])).total_seconds()
    if age > MAX_AGE_SECONDS:
        raise SystemExit(f"the stream has not updated its status for {age:.0f} s")


if __name__ == "__main__":
    main()
