"""Tests of ml/data."""
