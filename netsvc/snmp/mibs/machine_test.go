package mibs

import (
	"testing"
	"time"

	"linnet/board"
)

// The load of a processor is that since the start at first, then that of one to two minutes.
func TestLoads(t *testing.T) {
	var l loads
	start := time.Unix(1e9, 0)
	for _, step := range []struct {
		second     int
		busy, idle uint64
		want       int
	}{
		{0, 10, 90, 10}, // since the machine started
		{10, 60, 90, 40},
		{59, 110, 90, 55},
		{60, 110, 90, 100},  // 100 of 100 ticks since second 0
		{90, 110, 190, 50},  // and 100 idle ones after them
		{120, 110, 290, 0},  // since second 60
		{500, 160, 340, 50}, // nobody asked for a while: since second 120
	} {
		l.add(start.Add(time.Duration(step.second)*time.Second), board.Processors{Each: []board.Ticks{{User: step.busy, Idle: step.idle}}})
		if l.busy[0] != step.want {
			t.Errorf("second %d: %d %%, want %d", step.second, l.busy[0], step.want)
		}
	}
	l.add(start.Add(600*time.Second), board.Processors{Each: make([]board.Ticks, 2)}) // one was plugged in
	if len(l.busy) != 2 || l.busy[0] != 0 {
		t.Errorf("%v", l.busy)
	}
}

func TestScale(t *testing.T) {
	for _, tc := range []struct{ unit, bytes, want uint64 }{
		{4096, 1 << 30, 4096},
		{4096, 4096 * (1<<31 - 1), 4096},
		{4096, 4096 * (1 << 31), 8192},
		{512, 1 << 50, 1 << 20},
		{0, 100, 1},
	} {
		if got := Scale(tc.unit, tc.bytes); got != tc.want || tc.bytes/got > 1<<31-1 {
			t.Errorf("%d bytes in units of %d: %d, want %d", tc.bytes, tc.unit, got, tc.want)
		}
	}
}
