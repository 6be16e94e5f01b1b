"""Patients: is a gene, a marker or a cell state of any consequence in the clinic? A stream that can say no.

Tables: `patients`, `patient_expression` (genes x patients), `biomarkers`, `patient_cells`. In this order: an audit of
the
cohorts; Cox models of every gene, by which any one gene is judged; the candidates (named, targets of the therapies, and
the strongest of the scan, each with its reason); their full examination in each cohort; the meta-analysis; a verdict
(supported, suggestive, not supported, not testable) with its reasons. Then response, subgroups, treatment, tissues,
biomarkers, and the REMARK checklist. Public cohorts become files of a study by `public`.
"""
