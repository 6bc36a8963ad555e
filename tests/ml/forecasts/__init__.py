"""Tests of forecasts: issue, rounds of training, live accuracy."""
