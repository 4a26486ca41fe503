package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
)

// format is the version of what the store itself writes: its own buckets, the heads of rows, index entries. A file with a
// greater one is refused. formats[n] brings a file from format n to n+1 in one transaction; add a step, never change one.
const format = 1

var formats = map[uint32]func(*bbolt.Tx) error{}

// The store's own buckets. No table's name begins with '~'.
var (
	bucketStore  = []byte("~store")  // format, incarnation, layout of the tables: written at open only
	bucketMarks  = []byte("~marks")  // order mark and counters: small, so bbolt keeps it inside the root page
	bucketRanges = []byte("~ranges") // removed ranges whose rows are still being taken out, see ranges.go

	keyFormat      = []byte("format")
	keyIncarnation = []byte("incarnation")
	keyBoot        = []byte("boot") // cache.db: the boot of the machine that wrote it
	keyOrder       = []byte("order")
)

// record says how a table's rows are kept in a file.
type record struct {
	layout     uint32 // of the table's own encoding
	flags      uint8  // what the store keeps with each row
	generation uint32 // part of the bucket's name: a migration writes a new bucket beside the old one
}

const (
	recVersioned = 1 << iota
	recExpires
)

func (r record) bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, r.layout)
	return binary.BigEndian.AppendUint32(append(b, r.flags), r.generation)
}

func parseRecord(b []byte) (record, error) {
	if len(b) != 9 {
		return record{}, fmt.Errorf("%w: table record", ErrDamaged)
	}
	return record{layout: binary.BigEndian.Uint32(b), flags: b[4], generation: binary.BigEndian.Uint32(b[5:])}, nil
}

func (r record) head() int {
	n := 0
	if r.flags&recVersioned != 0 {
		n += 8
	}
	if r.flags&recExpires != 0 {
		n += 4
	}
	return n
}

// declared is the record the table's declaration asks for, whatever its generation.
func (st *tableState) declared() record {
	r := record{layout: max(st.table.Layout, 1)}
	if st.table.Versioned {
		r.flags |= recVersioned
	}
	if st.table.Expires {
		r.flags |= recExpires
	}
	return r
}

// use sets the names of the table's buckets.
func (st *tableState) use(r record) {
	suffix := generationSuffix(r.generation)
	st.head = r.head()
	st.bucket = []byte(st.table.Name + suffix)
	st.expiry = nil
	if r.flags&recExpires != 0 {
		st.expiry = []byte(st.table.Name + "/~" + suffix)
	}
	st.indexes = st.indexes[:0]
	for _, ix := range st.table.Indexes {
		st.indexes = append(st.indexes, []byte(st.table.Name+"/"+ix.Name+suffix))
	}
}

// generationSuffix ends the names of a table's buckets; the first generation has none.
func generationSuffix(generation uint32) string {
	if generation == 0 {
		return ""
	}
	return "#" + strconv.FormatUint(uint64(generation), 10)
}

func (st *tableState) buckets() [][]byte {
	all := append([][]byte{st.bucket}, st.indexes...)
	if st.expiry != nil {
		all = append(all, st.expiry)
	}
	return all
}

func recordKey(table string) []byte            { return []byte("t/" + table) }
func indexKey(table, index string) []byte      { return []byte("i/" + table + "/" + index) }
func versionBytes(v uint32) []byte             { return binary.BigEndian.AppendUint32(nil, v) }
func sameVersion(stored []byte, v uint32) bool { return bytes.Equal(stored, versionBytes(v)) }

// prepare brings the file's layout to what this program declares and reads what the store keeps in it. Nothing is written
// when nothing changed since the last time.
func (f *file) prepare(db *bbolt.DB) error {
	todo, err := f.inspect(db)
	if err != nil {
		return err
	}
	if todo.create {
		if err := db.Update(f.create); err != nil {
			return err
		}
	}
	if len(todo.migrate)+len(todo.index) > 0 {
		if err := f.finishRanges(db); err != nil {
			return err
		}
	}
	for _, m := range todo.migrate {
		f.store.log.Info("store table is brought to a new layout", "table", m.state.table.Name, "before", m.from.layout, "after", m.state.declared().layout)
		if err := f.migrate(db, m.state, m.from); err != nil {
			return fmt.Errorf("store: migrate table %s: %w", m.state.table.Name, err)
		}
		f.store.report.Migrated = append(f.store.report.Migrated, m.state.table.Name)
	}
	for _, r := range todo.index {
		if err := f.reindex(db, r); err != nil {
			return fmt.Errorf("store: index of table %s: %w", r.state.table.Name, err)
		}
	}
	return db.View(func(tx *bbolt.Tx) error {
		if err := f.loadRanges(tx); err != nil || !f.durable {
			return err
		}
		id := tx.Bucket(bucketStore).Get(keyIncarnation)
		if len(id) != 8 {
			return fmt.Errorf("%w: no incarnation", ErrDamaged)
		}
		f.store.incarnation = binary.BigEndian.Uint64(id)
		return f.store.loadMarks(tx.Bucket(bucketMarks))
	})
}

// layoutWork is what prepare has to do.
type layoutWork struct {
	create  bool // buckets or records are missing
	migrate []migration
	index   []reindexing
}

type migration struct {
	state *tableState
	from  record
}

// reindexing is an index to be built anew, or to be dropped because it is not declared any more: it would miss the
// changes made meanwhile if it came back.
type reindexing struct {
	state *tableState
	name  string
	at    int // in table.Indexes; -1 to drop it
}

func (f *file) inspect(db *bbolt.DB) (todo layoutWork, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketStore)
		for _, st := range f.tables {
			st.use(st.declared())
		}
		if b == nil {
			todo.create = true
			return nil
		}
		v := b.Get(keyFormat)
		if len(v) != 4 {
			return fmt.Errorf("%w: no format", ErrDamaged)
		}
		stored := binary.BigEndian.Uint32(v)
		if stored > format {
			return fmt.Errorf("%w: %s has format %d, this program knows %d", ErrNewer, f.path, stored, format)
		}
		todo.create = stored < format
		if !f.durable && string(b.Get(keyBoot)) != bootID() {
			todo.create = true
		}
		for _, st := range f.tables {
			v := b.Get(recordKey(st.table.Name))
			if v == nil {
				todo.create = true
				continue
			}
			r, err := parseRecord(v)
			if err != nil {
				return err
			}
			want := st.declared()
			if r.layout > want.layout {
				return fmt.Errorf("%w: table %s has layout %d, this program knows %d", ErrNewer, st.table.Name, r.layout, want.layout)
			}
			st.use(r)
			if r.layout < want.layout || r.flags != want.flags {
				todo.migrate = append(todo.migrate, migration{st, r})
				continue // it builds the indexes too
			}
			todo.index = append(todo.index, st.staleIndexes(b)...)
		}
		return nil
	})
	return todo, err
}

// staleIndexes compares the indexes in the file with those declared.
func (st *tableState) staleIndexes(b *bbolt.Bucket) (stale []reindexing) {
	for i, ix := range st.table.Indexes {
		if !sameVersion(b.Get(indexKey(st.table.Name, ix.Name)), ix.Version) {
			stale = append(stale, reindexing{st, ix.Name, i})
		}
	}
	prefix := indexKey(st.table.Name, "")
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		name, declared := string(k[len(prefix):]), false
		for _, ix := range st.table.Indexes {
			declared = declared || ix.Name == name
		}
		if !declared {
			stale = append(stale, reindexing{st, name, -1})
		}
	}
	return stale
}

// create makes what a new file, or a new table, needs.
func (f *file) create(tx *bbolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(bucketStore)
	if err != nil {
		return err
	}
	stored := uint32(format)
	if v := b.Get(keyFormat); v != nil {
		stored = binary.BigEndian.Uint32(v)
	}
	for ; stored < format; stored++ {
		if err := formats[stored](tx); err != nil {
			return err
		}
	}
	if err := b.Put(keyFormat, versionBytes(format)); err != nil {
		return err
	}
	if b.Get(keyIncarnation) == nil {
		if err := b.Put(keyIncarnation, newIncarnation()); err != nil {
			return err
		}
	}
	if !f.durable {
		if err := b.Put(keyBoot, []byte(bootID())); err != nil {
			return err
		}
	}
	names := [][]byte{bucketMarks, bucketRanges}
	for _, st := range f.tables {
		if b.Get(recordKey(st.table.Name)) != nil {
			continue
		}
		if err := st.record(b, st.declared()); err != nil {
			return err
		}
		names = append(names, st.buckets()...)
	}
	for _, n := range names {
		if _, err := tx.CreateBucketIfNotExists(n); err != nil {
			return err
		}
	}
	return nil
}

// record notes how the table is kept from now on.
func (st *tableState) record(b *bbolt.Bucket, r record) error {
	for _, ix := range st.table.Indexes {
		if err := b.Put(indexKey(st.table.Name, ix.Name), versionBytes(ix.Version)); err != nil {
			return err
		}
	}
	return b.Put(recordKey(st.table.Name), r.bytes())
}

func newIncarnation() []byte {
	var id [8]byte
	rand.Read(id[:])
	return id[:]
}

// bootID names the running boot of the machine, "" where the kernel does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
