"""The `setup` service of docker-compose.yml: create folders, secrets and topics, then exit."""

from lakehouse.io.kafka import create_topics, needed_topics
from scripts.stack import secrets_file


def main() -> None:
    """Create what is missing. Idempotent. Raises KafkaException when the broker does not answer."""
    secrets_file.main()
    print(f"topics created: {', '.join(create_topics(needed_topics())) or 'none were missing'}")


if __name__ == "__main__":
    main()
