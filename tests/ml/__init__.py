"""Tests of the models and of those that judge them."""
