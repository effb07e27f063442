"""The same pipeline over files: what would have fired, and when."""
