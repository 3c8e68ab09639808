// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// A session has one object.
type session struct {
	spec       *ebpf.CollectionSpec
	types      *btf.Spec
	collection *ebpf.Collection
	links      []link.Link
}

// Of the agent's, which knows an object by its number.
const handle = 1

func (s *session) open(wanted *request) (answer, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(wanted.Object))
	if err != nil {
		return nil, err
	}
	if wanted.BTF != "" {
		s.types, err = btf.LoadSpec(wanted.BTF)
		if err != nil {
			return nil, fmt.Errorf("load BTF from %s: %w", wanted.BTF, err)
		}
	}
	rows := []answer{}
	for _, name := range sorted(spec.Programs) {
		rows = append(rows, answer{
			"name":    name,
			"section": spec.Programs[name].SectionName,
			"type":    nil,
			"load":    loads(spec.Programs[name], wanted.Programs[name]),
		})
	}
	if err := apply(spec, wanted); err != nil {
		return nil, err
	}
	s.spec = spec
	return answer{"handle": handle, "programs": rows, "maps": []answer{}}, nil
}

// loads tells whether a program is loaded: one of an optional section ("?fentry/…")
// only when it is asked for.
func loads(program *ebpf.ProgramSpec, settings programSettings) bool {
	if settings.Load != nil {
		return *settings.Load
	}
	return !strings.HasPrefix(program.SectionName, "?")
}

// apply sets what the suite says of the object.
func apply(spec *ebpf.CollectionSpec, wanted *request) error {
	for name := range wanted.Programs {
		if _, there := spec.Programs[name]; !there {
			return missing("program", name, sorted(spec.Programs))
		}
	}
	for name, program := range spec.Programs {
		settings := wanted.Programs[name]
		if !loads(program, settings) {
			delete(spec.Programs, name)
			continue
		}
		if program.Type == ebpf.UnspecifiedProgram {
			return unsupported("does not know the section %q of program %s",
				program.SectionName, name)
		}
		if _, place, found := strings.Cut(settings.Target, "/"); found {
			program.AttachTo = place
		}
	}
	for name, settings := range wanted.Maps {
		if err := setMap(spec, name, settings); err != nil {
			return err
		}
	}
	for name, value := range wanted.Variables {
		if err := setVariable(spec, name, value); err != nil {
			return err
		}
	}
	return nil
}

func setMap(spec *ebpf.CollectionSpec, name string, settings mapSettings) error {
	found, there := spec.Maps[name]
	if !there {
		return missing("map", name, sorted(spec.Maps))
	}
	if settings.MaxEntries != nil {
		found.MaxEntries = *settings.MaxEntries
	}
	if settings.ValueSize != nil {
		found.ValueSize = *settings.ValueSize
	}
	if settings.Create != nil && !*settings.Create {
		// Programs that use it must not be loaded either: "missing map".
		delete(spec.Maps, name)
	}
	return nil
}

func setVariable(spec *ebpf.CollectionSpec, name string, value []byte) error {
	found, there := spec.Variables[name]
	if !there {
		return missing("variable", name, sorted(spec.Variables))
	}
	if int(found.Size()) != len(value) {
		return fmt.Errorf("variable %s has %d bytes, not %d", name, found.Size(), len(value))
	}
	return found.Set(value)
}

func missing(what, name string, names []string) error {
	return fmt.Errorf("the object has no %s %q; it has %s", what, name,
		strings.Join(names, ", "))
}

func sorted[T any](named map[string]T) []string {
	return slices.Sorted(maps.Keys(named))
}

func (s *session) load(*request) (answer, error) {
	options := ebpf.CollectionOptions{}
	options.Programs.KernelTypes = s.types
	collection, err := ebpf.NewCollectionWithOptions(s.spec, options)
	if err != nil {
		return nil, err
	}
	s.collection = collection
	programs, maps := []answer{}, []answer{}
	for _, name := range sorted(collection.Programs) {
		info, err := collection.Programs[name].Info()
		if err != nil {
			return nil, fmt.Errorf("program %s: %w", name, err)
		}
		id, known := info.ID()
		if !known {
			return nil, withoutIDs()
		}
		programs = append(programs, answer{"name": name, "id": id})
	}
	for _, name := range sorted(collection.Maps) {
		info, err := collection.Maps[name].Info()
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
		id, known := info.ID()
		if !known {
			return nil, withoutIDs()
		}
		maps = append(maps, answer{"name": name, "id": id})
	}
	return answer{"programs": programs, "maps": maps}, nil
}

func withoutIDs() error {
	return unsupported("can't hand over what it has loaded: kernels before 4.13 have no ids")
}

func (s *session) close(*request) (answer, error) {
	for _, each := range s.links {
		each.Close()
	}
	if s.collection != nil {
		s.collection.Close()
	}
	s.links, s.collection, s.spec = nil, nil, nil
	return answer{}, nil
}
