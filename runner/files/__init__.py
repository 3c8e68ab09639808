"""Files that the runner reads and keeps: YAML, models, the cache, what is shipped."""
