package flow

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestBucketTake(t *testing.T) {
	type step struct {
		after time.Duration // since the step before
		take  int
		pause time.Duration
	}
	tests := []struct {
		name        string
		rate, burst float64
		steps       []step
	}{
		{name: "no limit", steps: []step{{take: 1 << 30}, {take: 1 << 30}}},
		{name: "burst is free, then the rate", rate: 10, burst: 5, steps: []step{
			{take: 5}, {take: 1, pause: 100 * time.Millisecond}, {take: 1, pause: 200 * time.Millisecond},
		}},
		{name: "a pause pays", rate: 10, burst: 5, steps: []step{
			{take: 7, pause: 200 * time.Millisecond}, {after: 200 * time.Millisecond, take: 0},
			{take: 1, pause: 100 * time.Millisecond},
		}},
		{name: "fills to the burst and no further", rate: 1000, burst: 100, steps: []step{
			{take: 100}, {after: time.Hour, take: 100}, {take: 100, pause: 100 * time.Millisecond},
		}},
		{name: "larger than the burst passes", rate: 1000, burst: 100, steps: []step{
			{take: 1100, pause: time.Second}, {after: time.Second, take: 10, pause: 10 * time.Millisecond},
		}},
		{name: "no burst", rate: 2, steps: []step{{take: 1, pause: 500 * time.Millisecond}}},
		{name: "rates that do not divide a second", rate: 3, burst: 1, steps: []step{
			{take: 1}, {take: 1, pause: 333333334}, {after: 333333334, take: 0},
		}},
		{name: "less than one a second", rate: 0.1, burst: 1, steps: []step{
			{take: 1}, {take: 1, pause: 10 * time.Second}, {after: 5 * time.Second, take: 0, pause: 5 * time.Second},
		}},
		{name: "gigabytes a second", rate: 4 << 30, burst: 1 << 20, steps: []step{
			{take: 1 << 20}, {take: 1 << 30, pause: time.Second / 4},
		}},
		{name: "more than time has", rate: 0.001, burst: 1, steps: []step{
			{take: math.MaxInt32, pause: forever - 1000*time.Second},
			{take: math.MaxInt32, pause: forever - 1000*time.Second},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := NewBucket(test.rate, test.burst)
				for i, s := range test.steps {
					time.Sleep(s.after)
					if pause := k.Take(s.take); pause != s.pause {
						t.Fatalf("step %d: pause %v, want %v", i, pause, s.pause)
					}
				}
			})
		})
	}
}

func TestBucketAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewBucket(10, 2)
		for i, want := range []bool{true, true, false, false} {
			if got := k.Allow(1); got != want {
				t.Fatalf("try %d: %v", i, got)
			}
		}
		if d := k.Wait(1); d != 100*time.Millisecond {
			t.Fatalf("wait %v", d)
		}
		time.Sleep(k.Wait(1))
		if !k.Allow(1) || k.Allow(1) {
			t.Fatal("after the wait there is one token")
		}
		k.Set(0, 0)
		if !k.Allow(1<<30) || k.Wait(1<<30) != 0 {
			t.Fatal("no limit limits")
		}
		k.Set(10, 2)
		time.Sleep(time.Second)
		if !k.Allow(2) || k.Allow(1) {
			t.Fatal("a new limit is not in force")
		}
	})
}
