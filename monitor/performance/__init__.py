"""Step 4: labels and how good the model is."""
