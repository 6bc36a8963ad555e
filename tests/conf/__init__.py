"""Tests of settings and of what rooms share."""
