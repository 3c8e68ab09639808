// Package probe asks the kernel for maps, without a library.
package probe

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

const (
	sysBpf       = 321 // x86_64
	bpfMapCreate = 0
)

// The start of union bpf_attr, for BPF_MAP_CREATE.
type mapAttr struct {
	mapType, keySize, valueSize, maxEntries uint32
}

func createMap(t *testing.T, mapType uint32, attr mapAttr) {
	t.Helper()
	attr.mapType = mapType
	fd, _, errno := syscall.Syscall(sysBpf, bpfMapCreate,
		uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		t.Fatalf("can't create a map of type %d: %v", mapType, errno)
	}
	syscall.Close(int(fd))
}

func TestMaps(t *testing.T) {
	t.Run("hash", func(t *testing.T) { createMap(t, 1, mapAttr{0, 4, 8, 16}) })
	t.Run("array", func(t *testing.T) { createMap(t, 2, mapAttr{0, 4, 8, 16}) })
	t.Run("ringbuf", func(t *testing.T) { createMap(t, 27, mapAttr{0, 0, 0, 4096}) })
}

func TestKernelHasBTF(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		t.Skip("this kernel has no BTF of its own")
	}
}
