"""Step 7: alert moves and rejections to Kafka."""
