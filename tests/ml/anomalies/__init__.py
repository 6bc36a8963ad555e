"""Tests of anomaly detection."""
