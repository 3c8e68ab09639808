// Package subtests does what tests of a loader do, without a library: maps by system calls.
package subtests

import (
	"fmt"
	"syscall"
	"testing"
	"unsafe"
)

const (
	sysBpf  = 321 // x86_64
	create  = 0
	update  = 2
	hash    = 1
	entries = 4096
)

type createAttr struct {
	mapType, keySize, valueSize, maxEntries uint32
}

type updateAttr struct {
	fd         uint32
	_          uint32
	key, value uint64
	flags      uint64
}

func TestMaps(t *testing.T) {
	for number := range [50]struct{}{} {
		t.Run(fmt.Sprint(number), fill)
	}
}

func fill(t *testing.T) {
	made := createAttr{hash, 4, 8, entries}
	fd, _, errno := syscall.Syscall(sysBpf, create, uintptr(unsafe.Pointer(&made)), unsafe.Sizeof(made))
	if errno != 0 {
		t.Fatal(errno)
	}
	defer syscall.Close(int(fd))
	for key := uint32(0); key < entries; key++ {
		value := uint64(key)
		attr := updateAttr{
			fd:    uint32(fd),
			key:   uint64(uintptr(unsafe.Pointer(&key))),
			value: uint64(uintptr(unsafe.Pointer(&value))),
		}
		_, _, errno := syscall.Syscall(sysBpf, update, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if errno != 0 {
			t.Fatal(errno)
		}
	}
}
