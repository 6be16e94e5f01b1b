"""Statistics without biology."""
