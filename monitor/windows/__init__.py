"""Step 3: columns become panes and windows."""
