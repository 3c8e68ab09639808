// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A request, with the arguments of all operations.
type request struct {
	ID        int                        `json:"id"`
	Operation string                     `json:"op"`
	Object    []byte                     `json:"object"`
	BTF       string                     `json:"btf"`
	Programs  map[string]programSettings `json:"programs"`
	Maps      map[string]mapSettings     `json:"maps"`
	Variables map[string][]byte          `json:"variables"`
	Program   string                     `json:"program"`
	Target    string                     `json:"target"`
}

type programSettings struct {
	Load *bool `json:"load"`
	// What is looked up when the program loads: "fentry/vfs_read".
	Target string `json:"target"`
}

type mapSettings struct {
	MaxEntries *uint32 `json:"max_entries"`
	ValueSize  *uint32 `json:"value_size"`
	Create     *bool   `json:"create"`
}

// Which program an error of the library is about.
var ofProgram = regexp.MustCompile(`^program (\S+): `)

// unsupported is what the library, or this program, can't do.
func unsupported(format string, arguments ...any) error {
	return errors.New("loader: ebpf-go " + fmt.Sprintf(format, arguments...))
}

// refusal is the answer that says why something could not be done. Its log has the
// library's words, and the verifier's between the marks that libbpf sets, too.
func refusal(err error) answer {
	var number unix.Errno
	var name any
	if errors.As(err, &number) {
		name = unix.ErrnoName(number)
	}
	log := err.Error() + "\n"
	var rejected *ebpf.VerifierError
	if errors.As(err, &rejected) && len(rejected.Log) > 0 {
		if program := ofProgram.FindStringSubmatch(err.Error()); program != nil {
			log += "prog '" + program[1] + "': refused\n"
		}
		log += "-- BEGIN PROG LOAD LOG --\n" + strings.Join(rejected.Log, "\n") +
			"\n-- END PROG LOAD LOG --\n"
	}
	return answer{
		"error": answer{"message": err.Error(), "errno": name},
		"log":   log,
	}
}
