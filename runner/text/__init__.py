"""What people read in a terminal: near words, tables, progress."""
