package table

import (
	"math"
	"testing"
	"time"
)

func TestRow(t *testing.T) {
	moment := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	w := NewWriter(3)
	w.Number(0)
	w.Number(math.MaxUint64)
	w.Int(math.MinInt64)
	w.Text("")
	w.Text("text\x00")
	w.Bytes([]byte{1, 2})
	w.Time(time.Time{})
	w.Time(moment.Add(time.Millisecond))
	w.Time(time.Unix(-5, 0))
	read := func(version byte, v []byte) (same bool, err error) {
		r := NewReader(version, v)
		same = r.Number() == 0
		same = r.Number() == math.MaxUint64 && same
		same = r.Int() == math.MinInt64 && same
		same = r.Text() == "" && same
		same = r.Text() == "text\x00" && same
		same = string(r.Bytes()) == "\x01\x02" && same
		same = r.Time().IsZero() && same
		same = r.Time() == moment && same
		same = r.Time() == time.Unix(-5, 0).UTC() && same
		return same, r.Err()
	}
	if same, err := read(3, w); !same || err != nil {
		t.Errorf("read again: %v, %v", same, err)
	}
	for n := range w {
		if _, err := read(3, w[:n]); err != ErrRow {
			t.Errorf("%d bytes of %d: %v", n, len(w), err)
		}
	}
	if _, err := read(4, w); err != ErrRow {
		t.Errorf("another version: %v", err)
	}
	r := NewReader(3, w)
	r.Fail()
	if r.Err() != ErrRow || r.Number() != 0 || r.Text() != "" || !r.Time().IsZero() {
		t.Error("a failed row is read on")
	}
}

func FuzzRow(f *testing.F) {
	w := NewWriter(1)
	w.Text("x")
	w.Time(time.Unix(7, 0))
	w.Number(300)
	f.Add([]byte(w))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, v []byte) {
		r := NewReader(1, v)
		text, moment, n := r.Text(), r.Time(), r.Number()
		if r.Err() != nil {
			return
		}
		w := NewWriter(1)
		w.Text(text)
		w.Time(moment)
		w.Number(n)
		again := NewReader(1, w)
		if again.Text() != text || again.Time() != moment || again.Number() != n || again.Err() != nil {
			t.Errorf("%q, %v, %d are written as %x", text, moment, n, w)
		}
	})
}
