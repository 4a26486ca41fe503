package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"linnet/store"
	"linnet/store/storetest"
)

// killLoop runs the load again and again in one directory and ends each run as how says. What one run acknowledged, the
// next must find; and each run verifies what it finds. Every few runs the tables get a new layout, so that migrations
// are interrupted too.
func killLoop(t *testing.T, kills int, how func() (storetest.Injection, time.Duration)) {
	dir := storetest.FastDir(t)
	acked, made, killed := uint64(0), uint64(0), 0
	begin := time.Now()
	for run := 0; killed < kills && run < 3*kills+20; run++ {
		layout := uint32(1 + run/7)
		in, after := how()
		batches := 400
		if after > 0 {
			batches = 0 // until killed
		}
		r := storetest.RunLoad(t, dir, layout, batches, in, after)
		if r.Wrong != "" || r.Refused != "" {
			t.Fatalf("run %d (%v): %s%s\n%s", run, in, r.Wrong, r.Refused, r.Output)
		}
		if r.Ready && r.Found < acked {
			t.Fatalf("run %d finds batch %d, batch %d was acknowledged", run, r.Found, acked)
		}
		if r.Ready {
			made += r.Acked - r.Found
			acked = r.Acked
		}
		if r.Killed {
			killed++
		}
	}
	if killed < kills {
		t.Errorf("only %d of %d kills happened", killed, kills)
	}
	t.Logf("%d kills, %d batches, %.1f kills/s", killed, made, float64(killed)/time.Since(begin).Seconds())
}

func TestKilledAtASystemCall(t *testing.T) {
	storetest.NeedStrace(t)
	killLoop(t, storetest.Kills(t, 25), func() (storetest.Injection, time.Duration) { return storetest.RandomKill(), 0 })
}

func TestKilledUnderLoad(t *testing.T) {
	killLoop(t, storetest.Kills(t, 15), func() (storetest.Injection, time.Duration) {
		return storetest.Injection{}, time.Duration(1 + rand.IntN(40_000_000))
	})
}

// TestFailingSystemCalls lets writes and syncs fail. Nothing acknowledged is lost, what failed is told, and the store
// goes on by itself.
func TestFailingSystemCalls(t *testing.T) {
	storetest.NeedStrace(t)
	dir := storetest.FastDir(t)
	acked, failed, refused := uint64(0), 0, 0
	for run := range storetest.Kills(t, 14) {
		n := 1 + rand.IntN(12)
		in := []storetest.Injection{
			{Call: "fdatasync", Error: "EIO", When: fmt.Sprint(n)},
			{Call: "fdatasync", Error: "EIO", When: fmt.Sprintf("%d..%d", n, n+2)},
			{Call: "pwrite64", Error: "ENOSPC", When: fmt.Sprint(10 * n)},
			{Call: "pwrite64", Error: "EIO", When: fmt.Sprintf("%d..%d", 10*n, 10*n+3)},
			{Call: "ftruncate", Error: "ENOSPC", When: fmt.Sprint(1 + n%3)},
			{Call: "pwrite64", Error: "EROFS", When: fmt.Sprintf("%d+", 10*n)},
			{Call: "fdatasync", Error: "EIO", When: fmt.Sprintf("%d+", 4+n)},
		}[run%7]
		r := storetest.RunLoad(t, dir, 1, 150, in, 0)
		if r.Wrong != "" || r.Killed {
			t.Fatalf("run %d (%v): killed %v: %s\n%s", run, in, r.Killed, r.Wrong, r.Output)
		}
		if !r.Ready {
			if !strings.Contains(r.Refused, "input/output") && !strings.Contains(r.Refused, "no space") && !strings.Contains(r.Refused, "read-only") {
				t.Fatalf("run %d (%v): refused: %s", run, in, r.Refused)
			}
			refused++
			continue
		}
		if r.Found < acked {
			t.Fatalf("run %d finds batch %d, batch %d was acknowledged", run, r.Found, acked)
		}
		acked = r.Acked
		failed += r.Failed
	}
	if failed == 0 {
		t.Error("no batch failed")
	}
	t.Logf("%d batches acknowledged, %d failed, %d opens failed", acked, failed, refused)
}

// TestPowerCuts rebuilds from the recorded writes of a run the states that a power cut could leave, with writes that were
// not synced there, missing or torn. Each is opened and compared with what had been acknowledged at that moment.
func TestPowerCuts(t *testing.T) {
	storetest.NeedStrace(t)
	cuts := storetest.Kills(t, 300)
	rec := storetest.RecordLoad(t, min(150+cuts/20, 1000))
	unclean := 0
	rec.PowerCuts(t, cuts, false, func(dir string, acked uint64) {
		s, err := store.Open(storetest.LoadOptions(dir, 1))
		if err != nil {
			t.Errorf("after batch %d: %v", acked, err)
			return
		}
		defer s.Close()
		r := s.Report()
		if r.Damage != "" {
			t.Errorf("after batch %d: %s", acked, r.Damage)
		}
		if r.Unclean {
			unclean++
		}
		last, err := storetest.VerifyLoad(s, 1)
		if err != nil || last < acked {
			t.Errorf("after batch %d: found batch %d: %v", acked, last, err)
		}
	})
	t.Logf("%d power cuts, %d met a file in use", cuts, unclean)
	if unclean < cuts/2 {
		t.Error("most states should be of a file in use")
	}
}

// TestPowerCutsOfADiskThatLies is the same with a disk that does not sync when it says so, as cheap cards do. Batches are
// lost then, and files damaged; but damage is found at the open or told by a reader, and nothing crashes. It also shows
// that the states of TestPowerCuts are able to fail it.
func TestPowerCutsOfADiskThatLies(t *testing.T) {
	storetest.NeedStrace(t)
	rec := storetest.RecordLoad(t, 100)
	damaged, lost, faults := 0, 0, 0
	rec.PowerCuts(t, storetest.Kills(t, 200), true, func(dir string, acked uint64) {
		o := storetest.LoadOptions(dir, 1)
		o.StartEmpty = true
		s, err := store.Open(o)
		if err != nil {
			t.Errorf("after batch %d: %v", acked, err)
			return
		}
		defer s.Close()
		last, err := storetest.VerifyLoad(s, 1)
		switch {
		case s.Report().Damage != "":
			damaged++
		case err != nil:
			faults++
		case last < acked:
			lost++
		}
	})
	t.Logf("%d found damaged at the open, %d by a reader, %d lost batches", damaged, faults, lost)
	if damaged == 0 || lost == 0 {
		t.Error("the disk that lies did no harm")
	}
}
