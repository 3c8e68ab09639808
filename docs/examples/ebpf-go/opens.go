// Package opens counts the calls of openat() of each process.
package opens

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

//go:generate go tool bpf2go -tags linux -target bpf counter bpf/opens.c -- -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu

// Counter counts from New until Close.
type Counter struct {
	objects counterObjects
	link    link.Link
}

// New loads the program and attaches it.
func New() (*Counter, error) {
	// Before 5.11, maps count against this limit.
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, err
	}
	counter := new(Counter)
	if err := loadCounterObjects(&counter.objects, nil); err != nil {
		return nil, err
	}
	attached, err := link.Tracepoint("syscalls", "sys_enter_openat", counter.objects.OnOpenat, nil)
	if err != nil {
		counter.objects.Close()
		return nil, err
	}
	counter.link = attached
	return counter, nil
}

// Of returns how often the process called openat().
func (counter *Counter) Of(pid uint32) (uint64, error) {
	var count uint64
	err := counter.objects.Opens.Lookup(pid, &count)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return 0, nil
	}
	return count, err
}

// Close detaches the program.
func (counter *Counter) Close() error {
	return errors.Join(counter.link.Close(), counter.objects.Close())
}
