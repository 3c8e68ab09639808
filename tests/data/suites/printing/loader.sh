#!/bin/sh
# Ends, or goes on, as a loader might.
case $1 in
dies)
	echo opening
	echo "loader: no such map" >&2
	exit 4
	;;
signal)
	kill -SEGV $$
	;;
later)
	echo ready
	echo "lost it" >&2
	exit 5
	;;
old)
	# cilium/ebpf 0.9.1.
	echo "can't read types: type id 11494: unknown kind: Unknown (19)" >&2
	exit 1
	;;
floods)
	echo ready
	yes
	;;
stays)
	echo ready
	while :; do sleep 1; done
	;;
esac
