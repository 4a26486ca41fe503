// Package boardtest has machines to test with: a router, a single board and a server, as their /proc and /sys would
// show them, each in one text.
//
// A text is a txtar file whose names are paths below /. Two more files stand for the kernel: kernel/addresses
// ("INDEX ADDRESS/BITS [BROADCAST]") and kernel/space ("PATH BLOCK TOTAL FREE AVAILABLE FILES FILESFREE"). The script
// record makes such a text of the machine it runs on.
package boardtest

import (
	"embed"
	"io/fs"
	"net/netip"
	"strings"
	"sync"
	"testing/fstest"

	"linnet/board"
	"linnet/board/sysfs"
)

//go:embed *.txt
var texts embed.FS

// Names lists the machines.
func Names() []string { return []string{"router", "arm", "x86"} }

// Machine is a machine whose files a test may change. Safe for concurrent use.
type Machine struct {
	mu    sync.Mutex
	files fstest.MapFS
}

// New returns a machine of its own; see Names. It panics when there is none of that name.
func New(name string) *Machine {
	text, err := texts.ReadFile(name + ".txt")
	if err != nil {
		panic(err)
	}
	m := &Machine{files: make(fstest.MapFS)}
	path, content := "", ""
	for line := range strings.Lines(string(text) + "-- end --\n") {
		next, begins := strings.CutPrefix(line, "-- ")
		next, ends := strings.CutSuffix(next, " --\n")
		if !begins || !ends {
			content += line
			continue
		}
		if path != "" {
			m.files[path] = &fstest.MapFile{Data: []byte(content)}
		}
		path, content = next, ""
	}
	return m
}

// Board returns the Board of the machine.
func (m *Machine) Board() *board.Board { return board.At(sysfs.In(m), m) }

// Set changes what a file holds.
func (m *Machine) Set(path, content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[path] = &fstest.MapFile{Data: []byte(content)}
}

// Text returns what a file holds.
func (m *Machine) Text(path string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.files[path].Data)
}

// Remove takes away a file, or a directory with all that is in it.
func (m *Machine) Remove(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.files {
		if name == path || strings.HasPrefix(name, path+"/") {
			delete(m.files, name)
		}
	}
}

// Open implements fs.FS.
func (m *Machine) Open(name string) (fs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files.Open(name)
}

// lines returns the words of each line of a file.
func (m *Machine) lines(path string) (list [][]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if file := m.files[path]; file != nil {
		for line := range strings.Lines(string(file.Data)) {
			list = append(list, strings.Fields(line))
		}
	}
	return list
}

// Space implements board.Kernel.
func (m *Machine) Space(path string) (board.Space, error) {
	for _, words := range m.lines("kernel/space") {
		if strings.ReplaceAll(words[0], `\040`, " ") == path && len(words) == 7 {
			var n [6]uint64
			for i := range n {
				n[i] = sysfs.Uint(words[i+1])
			}
			return board.Space{Block: n[0], Total: n[1], Free: n[2], Available: n[3], Files: n[4], FilesFree: n[5]}, nil
		}
	}
	return board.Space{}, fs.ErrNotExist
}

// Addresses4 implements board.Kernel.
func (m *Machine) Addresses4() ([]board.Address, error) {
	var list []board.Address
	for _, words := range m.lines("kernel/addresses") {
		a := board.Address{Index: int(sysfs.Uint(words[0])), Prefix: netip.MustParsePrefix(words[1])}
		if len(words) > 2 {
			a.Broadcast = netip.MustParseAddr(words[2])
		}
		list = append(list, a)
	}
	return list, nil
}
