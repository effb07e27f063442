"""Step 1: records in."""
