"""Tests of the sales model."""
