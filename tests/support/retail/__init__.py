"""What tests of a shop share."""
