package storetest

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// disk is a model of a disk with a cache that a power cut empties: of each file it knows what is surely there, and what
// was written since the last sync and may be there whole, in part, or not at all. Names change in their order, so a power
// cut leaves the surely known ones and the first few changes after them.
type disk struct {
	files   map[int]*diskFile
	names   map[string]int // as the running system sees them
	sure    map[string]int // as they are after a power cut at least
	changes []event        // of names, since the last sync of the directory
	next    int
	lies    bool
}

type diskFile struct {
	sure    []byte
	pending []event // writes and truncates, in order
}

func newDisk() *disk {
	return &disk{files: make(map[int]*diskFile), names: make(map[string]int), sure: make(map[string]int)}
}

// do applies one event.
func (d *disk) do(e event) {
	switch e.kind {
	case eventWrite, eventTruncate:
		f := d.files[d.names[e.name]]
		f.pending = append(f.pending, e)
	case eventSync:
		f := d.files[d.names[e.name]]
		keep := 0
		if d.lies {
			keep = 20 // writes are on the disk once as many others came after them
		}
		for len(f.pending) > keep {
			f.sure = applyWrite(f.sure, f.pending[0], len(f.pending[0].data))
			f.pending = f.pending[1:]
		}
	case eventCreate:
		if id, there := d.names[e.name]; there {
			if e.offset == 0 {
				d.files[id].pending = append(d.files[id].pending, event{kind: eventTruncate})
			}
			return
		}
		d.next++
		d.files[d.next] = &diskFile{}
		e.offset = int64(d.next)
		d.changeName(e)
	case eventRename, eventRemove:
		d.changeName(e)
	case eventSyncDir:
		d.sure = maps.Clone(d.names)
		d.changes = nil
	}
}

func (d *disk) changeName(e event) {
	d.changes = append(d.changes, e)
	applyName(d.names, e)
}

func applyName(names map[string]int, e event) {
	switch e.kind {
	case eventCreate:
		names[e.name] = int(e.offset)
	case eventRename:
		names[e.other] = names[e.name]
		delete(names, e.name)
	case eventRemove:
		delete(names, e.name)
	}
}

// applyWrite applies the first n bytes of a write, or a truncate.
func applyWrite(b []byte, e event, n int) []byte {
	size := int(e.offset) + n
	if e.kind == eventTruncate {
		size = int(e.offset)
		if size < len(b) {
			return b[:size]
		}
	}
	if len(b) < size {
		b = append(b, make([]byte, size-len(b))...)
	}
	if e.kind == eventWrite {
		copy(b[e.offset:], e.data[:n])
	}
	return b
}

// cut writes one of the states that a power cut could leave into dir.
func (d *disk) cut(t testing.TB, dir string, rnd *rand.Rand) {
	t.Helper()
	names := maps.Clone(d.sure)
	for _, e := range d.changes[:rnd.IntN(len(d.changes)+1)] {
		applyName(names, e)
	}
	for name, id := range names {
		if err := os.WriteFile(filepath.Join(dir, name), d.files[id].cut(rnd), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// cut returns one of the contents that a power cut could leave: all pending writes up to some point with the last one
// torn, or any subset of them, some torn. Tears are at sectors of 512 bytes, and for a while at any byte, which only
// the checksum of a meta page has to stand.
func (f *diskFile) cut(rnd *rand.Rand) []byte {
	b := append([]byte(nil), f.sure...)
	torn := func(e event) int {
		n := rnd.IntN(len(e.data) + 1)
		if rnd.IntN(4) > 0 {
			n -= n % 512
		}
		return n
	}
	if rnd.IntN(2) == 0 {
		last := rnd.IntN(len(f.pending) + 1)
		for _, e := range f.pending[:last] {
			b = applyWrite(b, e, len(e.data))
		}
		if last < len(f.pending) && rnd.IntN(2) == 0 {
			b = applyWrite(b, f.pending[last], torn(f.pending[last]))
		}
		return b
	}
	for _, e := range f.pending {
		switch rnd.IntN(4) {
		case 0, 1:
			b = applyWrite(b, e, len(e.data))
		case 2:
			b = applyWrite(b, e, torn(e))
		}
	}
	return b
}

// PowerCuts rebuilds n states that power cuts at any moment of the recording could have left, and calls verify with the
// directory and the last batch that had been acknowledged. A disk that lies says that it has synced a file and has not:
// no promise can be kept on it, but nothing may crash either.
func (r *Recording) PowerCuts(t testing.TB, n int, lies bool, verify func(dir string, acked uint64)) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(uint64(n), 3))
	d := newDisk()
	d.lies = lies
	acked := uint64(0)
	left, points := n, len(r.events)
	for i, e := range r.events {
		if e.kind == eventSay {
			for line := range strings.Lines(string(e.data)) {
				if rest, ok := strings.CutPrefix(line, "a "); ok {
					acked, _ = strconv.ParseUint(strings.TrimSpace(rest), 10, 64)
				}
			}
			continue
		}
		d.do(e)
		// Spread evenly over the events that are left.
		share := float64(left) / float64(points-i)
		here := int(share)
		if rnd.Float64() < share-float64(here) {
			here++
		}
		for range here {
			dir := FastDir(t)
			d.cut(t, dir, rnd)
			verify(dir, acked)
			os.RemoveAll(dir)
			if t.Failed() {
				return
			}
		}
		left -= here
	}
}
