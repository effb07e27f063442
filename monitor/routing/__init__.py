"""Step 8: alerts that are on, handed to an Alertmanager, which tells the people."""
