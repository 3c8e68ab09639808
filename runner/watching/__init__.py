"""Which files a suite is made of, when they change, and which cases that touches."""
