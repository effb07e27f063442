"""Beside the steps: an alert's numbers, computed again from the rows that are stored."""
