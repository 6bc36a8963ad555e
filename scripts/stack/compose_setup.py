"""The `setup` service of docker-compose.yml: create folders, secrets and topics, then exit."""

from lakehouse.io.kafka import create_topics, subscribed
from scripts.stack import secrets_file


def main() -> None:
    """Create what is missing. Idempotent. Raises KafkaException when the broker does not answer."""
    secrets_file.main()
    print(f"topics created: {', '.join(create_topics(subscribed())) or 'none were missing'}")


if __name__ == "__main__":
    main()
