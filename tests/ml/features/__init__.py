"""Tests of ml/features."""
