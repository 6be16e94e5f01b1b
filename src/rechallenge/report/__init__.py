"""What a reader sees of a run: figures in one theme, the dossier, the methods paragraph and `explain`."""
