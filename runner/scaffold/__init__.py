"""A first matrix, first suites and a first workflow for somebody's own objects."""
