"""Step 2: records become columns, rejections and faults."""
