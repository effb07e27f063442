"""What a serving team puts into its service, and the producers of the examples."""
