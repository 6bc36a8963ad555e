"""What the tables are. Pure: no session, no Kafka, no writes, no clock, no environment."""
