"""kill -9 under load: nothing lost, nothing doubled, gold equal to an independent recomputation."""
