"""What an artifact keeps so that what failed there fails here, and how it is run."""
