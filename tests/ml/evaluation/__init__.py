"""Tests of ml/evaluation."""
