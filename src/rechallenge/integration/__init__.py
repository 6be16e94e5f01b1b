"""From evidence to a ranked case; knows only the Evidence table."""
