"""Tests of the routes of a shop."""
