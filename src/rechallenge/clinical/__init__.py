"""Patients: survival, response, cohorts."""
