package mibs

import (
	"encoding/binary"
	"sync"

	"linnet/netsvc/module"
	"linnet/store"
	"linnet/store/table"
)

// Limits of a Book.
const (
	maxNames = 4096    // of one space: what comes after them gets no number
	others   = 1 << 20 // where numbers begin that are given because the one that was wished for is taken
)

// Book gives names a number that stays: over restarts, and after the name is gone. Safe for concurrent use.
type Book struct {
	table *table.Table
	host  module.Host

	mu     sync.Mutex
	read   bool
	drawn  int // numbers, since the start
	kept   int // of these
	spaces map[string]*space
}

// space is what has numbers of its own: interfaces, sensors, the rows of one metric.
type space struct {
	names map[string]entry
	taken map[uint32]bool
	last  uint32 // drawn without a store
}

type entry struct {
	number uint32
	kept   bool // in the file: it may be shown
}

func newBook(h module.Host) *Book {
	return &Book{host: h, table: table.New("snmp.rows", table.None), spaces: make(map[string]*space)}
}

// Number returns the number of a name. The first time it is drawn, and 0 until it is kept, which takes a commit. A
// name gets the number it wishes for, if that is not 0 and nobody ever had it.
func (b *Book) Number(of, name string, wish uint32) uint32 {
	db := b.host.Store()
	b.mu.Lock()
	if !b.read && db != nil {
		b.load(db)
	}
	s := b.space(of)
	e, known := s.names[name]
	if known || len(s.names) >= maxNames || !b.read && db != nil {
		b.mu.Unlock()
		if e.kept {
			return e.number
		}
		return 0
	}
	switch {
	case wish != 0 && wish < others && !s.taken[wish]:
		e.number = wish
	case db == nil:
		s.last++
		e.number = s.last
	default:
		e.number = uint32(db.Next("snmp.rows." + of))
	}
	if wish != 0 && e.number != wish {
		e.number += others
	}
	e.kept = db == nil
	b.drawn++
	s.names[name] = e
	s.taken[e.number] = true
	b.mu.Unlock()
	if db == nil { // nothing is kept at all: a recorder, or a test
		return e.number
	}
	var batch store.Batch
	batch.Put(b.table, append(table.AppendString(nil, of), name...), binary.BigEndian.AppendUint32(nil, e.number))
	db.Submit(&batch, func(err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if err != nil { // asked again, it is drawn again; nobody has seen this one
			delete(s.names, name)
			return
		}
		e.kept = true
		b.kept++
		s.names[name] = e
	})
	return 0
}

// draws returns how many numbers were drawn since the start.
func (b *Book) draws() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.drawn
}

// Kept returns how many of the numbers that were drawn since the start are kept by now, and may be shown.
func (b *Book) Kept() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept
}

func (b *Book) space(of string) *space {
	s := b.spaces[of]
	if s == nil {
		s = &space{names: make(map[string]entry), taken: make(map[uint32]bool)}
		b.spaces[of] = s
	}
	return s
}

// load reads what was kept before; b.mu is held. A file that cannot be read leaves the Book empty and to be read
// again: what it gave before must not be given to others.
func (b *Book) load(db *store.Store) {
	err := db.View(func(tx *store.Tx) error {
		return tx.Scan(b.table, nil, nil, false, func(key, value []byte) bool {
			of, name, err := table.ReadString(key)
			if err != nil || len(value) != 4 {
				return true
			}
			s, n := b.space(of), binary.BigEndian.Uint32(value)
			s.names[string(name)] = entry{n, true}
			s.taken[n] = true
			return true
		})
	})
	b.read = err == nil
}
