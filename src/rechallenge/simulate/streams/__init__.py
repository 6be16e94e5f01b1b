"""The tables of a whole study, one module per group of assays; each makes tables from one `Plan`."""
