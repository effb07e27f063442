"""Step 4: tests on arrays and sketches."""
