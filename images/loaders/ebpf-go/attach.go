// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// How a program is attached to a place, by what stands before the first "/" of its
// section, or of the place that the suite names.
var kinds = map[string]func(place string, program *ebpf.Program) (link.Link, error){
	"kprobe":           kprobe,
	"kretprobe":        kretprobe,
	"kprobe.multi":     kprobeMulti,
	"kretprobe.multi":  kretprobeMulti,
	"tracepoint":       tracepoint,
	"tp":               tracepoint,
	"raw_tracepoint":   rawTracepoint,
	"raw_tp":           rawTracepoint,
	"raw_tracepoint.w": rawTracepoint,
	"raw_tp.w":         rawTracepoint,
	"tp_btf":           tracing,
	"fentry":           tracing,
	"fentry.s":         tracing,
	"fexit":            tracing,
	"fexit.s":          tracing,
	"fmod_ret":         tracing,
	"fmod_ret.s":       tracing,
	"lsm":              lsm,
	"lsm.s":            lsm,
	"iter":             iterator,
	"iter.s":           iterator,
	"uprobe":           uprobe,
	"uretprobe":        uretprobe,
}

// Places that only a suite names: sections of these kinds say no place.
var named = map[string]func(place string, program *ebpf.Program) (link.Link, error){
	"xdp": xdp,
}

// What libbpf attaches by its section, and this library has no function for.
var unknown = []string{
	"ksyscall", "kretsyscall", "usdt", "usdt.s", "uprobe.multi", "uretprobe.multi",
	"uprobe.multi.s", "uretprobe.multi.s", "kprobe.session", "uprobe.session",
	"uprobe.s", "uretprobe.s", "fsession", "fsession.s", "perf_event",
}

func (s *session) attach(wanted *request) (answer, error) {
	if s.collection == nil {
		return nil, fmt.Errorf("loader: nothing is loaded")
	}
	program, there := s.collection.Programs[wanted.Program]
	if !there {
		return nil, missing("program", wanted.Program, sorted(s.collection.Programs))
	}
	spec := s.spec.Programs[wanted.Program]
	kind, place, _ := strings.Cut(strings.TrimPrefix(spec.SectionName, "?"), "/")
	if wanted.Target != "" {
		kind, place, _ = strings.Cut(wanted.Target, "/")
	}
	attach, there := kinds[kind]
	if wanted.Target != "" {
		if special, is := named[kind]; is {
			attach, there = special, true
		}
		if kind == "cgroup" {
			attach, there = cgroupOf(spec), true
		}
	}
	if !there && (wanted.Target != "" || isUnknown(kind) && place != "") {
		return nil, unsupported("can't attach program %s to %s/%s: no function of the library does",
			wanted.Program, kind, place)
	}
	if !there || place == "" {
		return answer{"attached": false}, nil
	}
	made, err := attach(place, program)
	if err != nil {
		return nil, fmt.Errorf("attach %s to %s/%s: %w", wanted.Program, kind, place, err)
	}
	s.links = append(s.links, made)
	return answer{"attached": true}, nil
}

func isUnknown(kind string) bool {
	for _, each := range unknown {
		if each == kind {
			return true
		}
	}
	return false
}

// offset splits "function+0x10".
func offset(place string) (string, *link.KprobeOptions, error) {
	symbol, text, found := strings.Cut(place, "+")
	if !found {
		return symbol, nil, nil
	}
	number, err := strconv.ParseUint(text, 0, 64)
	return symbol, &link.KprobeOptions{Offset: number}, err
}

func kprobe(place string, program *ebpf.Program) (link.Link, error) {
	symbol, options, err := offset(place)
	if err != nil {
		return nil, err
	}
	return link.Kprobe(symbol, program, options)
}

func kretprobe(place string, program *ebpf.Program) (link.Link, error) {
	return link.Kretprobe(place, program, nil)
}

func kprobeMulti(place string, program *ebpf.Program) (link.Link, error) {
	if strings.ContainsAny(place, "*?") {
		return nil, unsupported("has no patterns of functions, such as %s", place)
	}
	return link.KprobeMulti(program, link.KprobeMultiOptions{Symbols: []string{place}})
}

func kretprobeMulti(place string, program *ebpf.Program) (link.Link, error) {
	if strings.ContainsAny(place, "*?") {
		return nil, unsupported("has no patterns of functions, such as %s", place)
	}
	return link.KretprobeMulti(program, link.KprobeMultiOptions{Symbols: []string{place}})
}

func tracepoint(place string, program *ebpf.Program) (link.Link, error) {
	group, name, _ := strings.Cut(place, "/")
	return link.Tracepoint(group, name, program, nil)
}

func rawTracepoint(place string, program *ebpf.Program) (link.Link, error) {
	return link.AttachRawTracepoint(link.RawTracepointOptions{Name: place, Program: program})
}

func tracing(_ string, program *ebpf.Program) (link.Link, error) {
	return link.AttachTracing(link.TracingOptions{Program: program})
}

func lsm(_ string, program *ebpf.Program) (link.Link, error) {
	return link.AttachLSM(link.LSMOptions{Program: program})
}

func iterator(_ string, program *ebpf.Program) (link.Link, error) {
	return link.AttachIter(link.IterOptions{Program: program})
}

// A place is "PATH:SYMBOL", as in sections of libbpf.
func symbolOf(place string) (*link.Executable, string, error) {
	at := strings.LastIndex(place, ":")
	if at < 0 {
		return nil, "", fmt.Errorf("%s is not PATH:SYMBOL", place)
	}
	path := place[:at]
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	executable, err := link.OpenExecutable(path)
	return executable, place[at+1:], err
}

func uprobe(place string, program *ebpf.Program) (link.Link, error) {
	executable, symbol, err := symbolOf(place)
	if err != nil {
		return nil, err
	}
	return executable.Uprobe(symbol, program, nil)
}

func uretprobe(place string, program *ebpf.Program) (link.Link, error) {
	executable, symbol, err := symbolOf(place)
	if err != nil {
		return nil, err
	}
	return executable.Uretprobe(symbol, program, nil)
}

func xdp(place string, program *ebpf.Program) (link.Link, error) {
	device, err := net.InterfaceByName(place)
	if err != nil {
		return nil, err
	}
	return link.AttachXDP(link.XDPOptions{Program: program, Interface: device.Index})
}

// cgroupOf attaches to a group by its folder, as the program's section says how.
func cgroupOf(spec *ebpf.ProgramSpec) func(string, *ebpf.Program) (link.Link, error) {
	return func(place string, program *ebpf.Program) (link.Link, error) {
		return link.AttachCgroup(link.CgroupOptions{
			Path:    place,
			Attach:  spec.AttachType,
			Program: program,
		})
	}
}
