// SPDX-License-Identifier: Apache-2.0

// A loader that uses github.com/cilium/ebpf. It answers requests, a JSON object a line,
// on its standard input, as the guest agent does for libbpf, until the input ends.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/cilium/ebpf/rlimit"
)

// Bytes of one request: an object in base64.
const longestLine = 1 << 30

// What an operation answers with, next to its "id", "ok" and "log".
type answer map[string]any

var operations = map[string]func(*session, *request) (answer, error){
	"open":   (*session).open,
	"load":   (*session).load,
	"attach": (*session).attach,
	"close":  (*session).close,
}

func main() {
	// Before 5.11 maps count as locked memory.
	if err := rlimit.RemoveMemlock(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	held := &session{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		if err := reply(os.Stdout, held, lines.Bytes()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func reply(out io.Writer, held *session, line []byte) error {
	wanted := &request{}
	if err := json.Unmarshal(line, wanted); err != nil {
		return fmt.Errorf("not a request: %w", err)
	}
	found, err := perform(held, wanted)
	if err != nil {
		found = refusal(err)
	}
	if found == nil {
		found = answer{}
	}
	found["id"] = wanted.ID
	found["ok"] = err == nil
	if _, there := found["log"]; !there {
		found["log"] = ""
	}
	return json.NewEncoder(out).Encode(found)
}

// perform runs an operation; a panic of the library is an error like others.
func perform(held *session, wanted *request) (found answer, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("loader: cilium/ebpf panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	operation, there := operations[wanted.Operation]
	if !there {
		return nil, errors.New("loader: no such operation: " + wanted.Operation)
	}
	return operation(held, wanted)
}
