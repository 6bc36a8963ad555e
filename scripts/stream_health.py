"""Health check of the stream's container: exit 0 while it says that it runs and has said so lately."""

from datetime import UTC, datetime

from scripts.readiness import progress

SILENT_SECONDS = 60  # a batch at its largest takes a fraction of this


def main() -> None:
    """Exit 1 with the reason when the stream does not run."""
    said = progress()
    if said is None or said["state"] == "stopped":
        raise SystemExit("the stream does not run")
    age = (datetime.now(UTC) - datetime.fromisoformat(said["updated_at"])).total_seconds()
    if age > SILENT_SECONDS:
        raise SystemExit(f"the stream has said nothing for {age:.0f} s")


if __name__ == "__main__":
    main()
