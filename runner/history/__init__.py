"""Many runs as one history: what broke when, and what is flaky."""
