"""Tests of the models, of those who judge them and of the jobs that train."""
