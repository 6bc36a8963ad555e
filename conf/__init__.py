"""Configuration and reference data: read by every room, reads none."""
