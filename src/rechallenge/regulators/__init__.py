"""Who controls a gene: transcription factors, motifs, miRNA."""
