// Creates maps on many threads at once.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// What BPF_MAP_CREATE takes, up to the name.
type attributes struct {
	kind, key, value, entries, flags, inner, node uint32
	name                                          [16]byte
}

func create(name string) syscall.Errno {
	given := attributes{kind: 2, key: 4, value: 4, entries: 2}
	copy(given.name[:15], name)
	_, _, errno := syscall.Syscall(321, 0, uintptr(unsafe.Pointer(&given)),
		unsafe.Sizeof(given))
	return errno
}

func main() {
	var all sync.WaitGroup
	for i := range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			runtime.LockOSThread()
			if errno := create(fmt.Sprintf("map%d", i)); errno != 0 {
				fmt.Println(errno)
				os.Exit(1)
			}
		}()
	}
	all.Wait()
}
