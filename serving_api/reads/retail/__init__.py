"""What several routes of a shop read: its categories and its names."""
