"""JSON Schemas of matrix.yaml, suite.yaml and results.json, for editors and users."""
