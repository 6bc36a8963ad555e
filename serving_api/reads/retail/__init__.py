"""What several routes of a shop read: the bounds of its knobs, its categories, its sales model."""
