"""Configuration and reference data. Imported by every other package, imports none of them."""
