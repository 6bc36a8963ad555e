"""Tests of the correlation of weather and prices."""
