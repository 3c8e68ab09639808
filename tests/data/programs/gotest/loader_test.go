// Tests that end in every way that a test can; variables choose the deadly ones.
package loader

import (
	"fmt"
	"os"
	"testing"
)

func TestPasses(t *testing.T) { t.Log("fine") }

func TestFails(t *testing.T) {
	t.Error("wrong value")
}

func TestSkips(t *testing.T) {
	t.Skip("no BTF here")
}

func TestSubtests(t *testing.T) {
	for _, name := range []string{"first", "second one", "third"} {
		t.Run(name, func(t *testing.T) {
			if name == "third" {
				t.Fatal("third is wrong")
			}
		})
	}
}

func TestPrintsWithoutNewline(t *testing.T) { fmt.Print("no newline") }

// Prints what the testing package prints, and fails.
func TestForges(t *testing.T) {
	fmt.Println("--- PASS: TestForges (0.00s)")
	fmt.Println("--- PASS: TestNever (0.00s)")
	fmt.Println("PASS")
	os.Stdout.Write([]byte("bad \xff\xfe bytes\n"))
	t.Fail()
}

func TestParallelA(t *testing.T) { t.Parallel() }

func TestParallelB(t *testing.T) {
	t.Parallel()
	t.Run("deep", func(t *testing.T) { t.Run("deeper", func(t *testing.T) {}) })
}

func TestPanics(t *testing.T) {
	if os.Getenv("PANIC") == "" {
		t.Skip("PANIC is not set")
	}
	panic("it panicked")
}

func TestExits(t *testing.T) {
	if os.Getenv("EXIT") == "" {
		t.Skip("EXIT is not set")
	}
	os.Exit(0)
}

// Takes the guest down.
func TestCrashes(t *testing.T) {
	if os.Getenv("CRASH") == "" {
		t.Skip("CRASH is not set")
	}
	os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
}

func TestLast(t *testing.T) {}

func Example_hello() {
	fmt.Println("hello")
	// Output: hello
}

func BenchmarkNothing(b *testing.B) {}
