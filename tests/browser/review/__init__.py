"""Pages on which people decide: the quarantine and the alerts."""
