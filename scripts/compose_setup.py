"""The `setup` service of docker-compose.yml: folders, secrets and topics, then it is done."""

from conf.broker import create_topics
from lakehouse.event import topics
from scripts import secrets_file


def main() -> None:
    """Idempotent. Raises KafkaException when the broker does not answer."""
    secrets_file.main()
    print(f"topics created: {', '.join(create_topics(topics())) or 'none were missing'}")


if __name__ == "__main__":
    main()
