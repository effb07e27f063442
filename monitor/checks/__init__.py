"""Step 4: checks for silent failures."""
