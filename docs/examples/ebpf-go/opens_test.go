package opens

import (
	"fmt"
	"os"
	"testing"
)

func open(t *testing.T, times int) {
	t.Helper()
	for range times {
		file, err := os.Open("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
}

func counted(t *testing.T, counter *Counter) uint64 {
	t.Helper()
	count, err := counter.Of(uint32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func TestCounter(t *testing.T) {
	counter, err := New()
	if err != nil {
		t.Fatalf("can't count: %+v", err)
	}
	defer counter.Close()

	for _, times := range []int{0, 1, 100} {
		t.Run(fmt.Sprintf("%d_opens", times), func(t *testing.T) {
			before := counted(t, counter)
			open(t, times)
			if got := counted(t, counter) - before; got != uint64(times) {
				t.Errorf("opened %d files, counted %d", times, got)
			}
		})
	}
}
