"""Jobs that learn from gold and silver tables and write gold tables of their own."""
