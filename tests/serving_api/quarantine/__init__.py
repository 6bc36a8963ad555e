"""What the review queue reads."""
