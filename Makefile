# Names that hands know; ./dev does the work.
.PHONY: run test setup bench clean
run test setup clean:
	./dev $@
bench:
	.venv/bin/python -m bench
