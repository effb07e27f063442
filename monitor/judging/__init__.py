"""Step 5: findings become alert moves, each with a reason."""
