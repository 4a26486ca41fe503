package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"

	"linnet/store"
	"linnet/store/table"
)

// The load is a numbered chain of batches whose traces in the store can be verified without knowing more than the store
// itself: whatever the crash, the file must hold the batches 1 … K whole, and K is at least the last one acknowledged.
//
// Batch n puts row n into the log, which needs row n-1 to be there; notes n as the last batch of its slot, which has an
// index; and now and then removes the oldest part of the log. Rows carry an order key and a number of a counter, which
// both grow along the chain.

// LoadProgram is the name of the child program that makes the load.
const LoadProgram = "storetest-load"

const (
	slots     = 50
	logKept   = 150 // rows of the log that stay when its oldest part is removed
	trimEvery = 100
)

// loadTables declares the load's tables, the slots in the given layout.
func loadTables(layout uint32) []*table.Table {
	return []*table.Table{
		table.New("log", table.None, table.Append()),
		table.New("slot", table.None, table.Versioned(), table.Layout(layout, func(_ uint32, k, v []byte) ([]byte, []byte, bool) {
			return k, append([]byte{byte(layout)}, v[1:]...), true
		}), table.WithIndex("batch", layout, func(k, v []byte, add func([]byte)) { add(v[1:]) })),
		table.New("cached", table.None, table.Cache()),
	}
}

// LoadOptions returns the options of a store that holds a load.
func LoadOptions(dir string, layout uint32) store.Options {
	return store.Options{Dir: dir, Tables: loadTables(layout), SnapshotKeep: 1}
}

func seqKey(n uint64) []byte { return table.AppendUint64(nil, n) }

// addBatch makes batch n.
func addBatch(b *store.Batch, s *store.Store, tables []*table.Table, layout uint32, n uint64) {
	log, slot := tables[0], tables[1]
	if n > 1 {
		b.Present(log, seqKey(n-1))
	}
	v := binary.BigEndian.AppendUint64(nil, s.Order())
	v = binary.BigEndian.AppendUint64(v, s.Next("load"))
	body := rand.IntN(300)
	if n%40 == 0 {
		body = 9000 // overflow pages
	}
	v = append(v, bytes.Repeat([]byte{byte(n)}, body)...)
	v = binary.BigEndian.AppendUint32(v, crc32.ChecksumIEEE(v))
	b.Put(log, seqKey(n), v)
	b.Put(slot, seqKey(n%slots), append([]byte{byte(layout)}, seqKey(n)...))
	if n%trimEvery == 0 && n > logKept {
		b.DeleteRange(log, nil, seqKey(n-logKept))
	}
}

// VerifyLoad verifies a store that holds a load and returns the number of its last batch.
func VerifyLoad(s *store.Store, layout uint32) (last uint64, err error) {
	tables := s.Options().Tables
	err = s.View(func(tx *store.Tx) error {
		var first, order, number uint64
		var bad error
		err := tx.Scan(tables[0], nil, nil, false, func(k, v []byte) bool {
			n, _, err := table.ReadUint64(k)
			if first == 0 {
				first, last = n, n-1
			}
			body := v[:max(len(v)-4, 0)]
			switch {
			case err != nil || len(v) < 20 || crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(v[len(body):]):
				bad = fmt.Errorf("row %d is broken", n)
				return false
			case n != last+1:
				bad = fmt.Errorf("row %d follows row %d", n, last)
			case binary.BigEndian.Uint64(v) <= order:
				bad = fmt.Errorf("row %d: the order goes back", n)
			case binary.BigEndian.Uint64(v[8:]) <= number:
				bad = fmt.Errorf("row %d: the counter goes back", n)
			}
			order, number, last = binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:]), n
			return bad == nil
		})
		if err != nil {
			return err
		} else if bad != nil {
			return bad
		}
		// The rows from the last removal on are there, and none before it.
		want := uint64(1)
		if t := last - last%trimEvery; t > logKept {
			want = t - logKept
		}
		if last > 0 && first != want {
			return fmt.Errorf("the log of batch %d begins with row %d, want %d", last, first, want)
		}
		return verifySlots(tx, tables[1], layout, last)
	})
	return last, err
}

func verifySlots(tx *store.Tx, slot *table.Table, layout uint32, last uint64) error {
	entries := 0
	var bad error
	err := tx.ScanIndex(slot, "batch", nil, nil, false, func(ik, k, v []byte) bool {
		entries++
		if !bytes.Equal(ik, v[1:]) {
			bad = fmt.Errorf("slot %x has the index key %x", v, ik)
		}
		return bad == nil
	})
	if err != nil || bad != nil {
		return firstError(err, bad)
	}
	if rows := tx.Count(slot, nil, nil, 0); rows != entries || rows != int(min(last, slots)) {
		return fmt.Errorf("%d slots with %d index entries after batch %d", rows, entries, last)
	}
	for n := last; n > 0 && n+slots > last; n-- {
		v, ok := tx.Get(slot, seqKey(n%slots))
		if !ok || !bytes.Equal(v, append([]byte{byte(layout)}, seqKey(n)...)) {
			return fmt.Errorf("slot %d = %x after batch %d", n%slots, v, last)
		}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// runLoad is the child program: arguments are the directory, the layout, how many batches to make (0: until killed), and
// "quiet" to leave out compactions and snapshots. On standard output it says "r K" when it has opened and verified the
// store or "o …" why it could not, "a N" when batch N is acknowledged, "f N" when it failed, and "e …" when something is wrong.
func runLoad(args []string) int {
	layout, _ := strconv.ParseUint(args[1], 10, 32)
	count, _ := strconv.ParseUint(args[2], 10, 64)
	say := func(format string, a ...any) { os.Stdout.WriteString(fmt.Sprintf(format+"\n", a...)) }
	o := LoadOptions(args[0], uint32(layout))
	s, err := store.Open(o)
	if err != nil {
		say("o %v", err)
		return 3
	}
	if r := s.Report(); r.Damage != "" {
		say("e damaged: %v", r.Damage)
		return 3
	}
	last, err := VerifyLoad(s, uint32(layout))
	if err != nil {
		say("e verify: %v", err)
		return 3
	}
	say("r %d", last)
	var b store.Batch
	cached := uint64(0)
	for made := uint64(0); count == 0 || made < count; {
		failed := atomic.Bool{}
		for range 1 + rand.IntN(12) {
			made++
			last++
			n := last
			addBatch(&b, s, o.Tables, uint32(layout), n)
			s.Submit(&b, func(err error) {
				if err != nil {
					failed.Store(true)
					say("f %d %v", n, err)
					return
				}
				say("a %d", n)
			})
			cached++
			b.Put(o.Tables[2], seqKey(cached%500), []byte("cached"))
			s.Submit(&b, nil)
		}
		done := make(chan struct{})
		s.Barrier(func() { close(done) })
		<-done
		if failed.Load() {
			// What came of the failed batches is seen by reading.
			if last, err = VerifyLoad(s, uint32(layout)); err != nil {
				say("e verify after a failure: %v", err)
				return 3
			}
		}
		if args[3] != "quiet" && made%64 < 12 {
			if made%128 < 64 {
				s.Compact(context.Background())
			} else {
				s.Snapshot()
			}
		}
	}
	if err := s.Close(); err != nil {
		say("c %v", err)
	}
	return 0
}
