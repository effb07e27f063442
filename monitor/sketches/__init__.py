"""Step 3: references and mergeable summaries of columns."""
