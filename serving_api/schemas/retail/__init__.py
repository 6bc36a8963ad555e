"""Schemas of a shop: revenue, discounts, ratings, the sales model."""
