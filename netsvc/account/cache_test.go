package account

import (
	"fmt"
	"sync"
	"testing"

	"linnet/netsvc/wire/jid"
)

func name(i int) jid.JID { return jid.MustParse(fmt.Sprintf("user%d@example.org", i)) }

func TestCacheIsBounded(t *testing.T) {
	c := newCache(64)
	for i := range 1000 {
		c.changed(&known{jid: name(i), exists: true})
	}
	held := 0
	for i := range 1000 {
		if c.get(name(i)) != nil {
			held++
		}
	}
	if held > 64 || held < 48 {
		t.Errorf("holds %d of 64", held)
	}
}

func TestAbsentNamesDoNotPushOutUsers(t *testing.T) {
	c := newCache(64)
	for i := range 24 {
		c.changed(&known{jid: name(i), account: Account{ID: ID(i + 1)}, exists: true})
	}
	held := func() (n int) {
		for i := range 24 {
			if k := c.get(name(i)); k != nil && k.exists {
				n++
			}
		}
		return n
	}
	before := held()
	for i := range 10000 {
		c.found(c.epoch.Load(), &known{jid: name(1000 + i)})
	}
	// The last place of a set may be lost, the others not.
	if after := held(); after < before*3/4 {
		t.Errorf("%d users were known, %d are left", before, after)
	}
}

func TestCacheEntryChanges(t *testing.T) {
	c := newCache(64)
	j := name(1)
	for i, k := range []known{
		{exists: false}, {account: Account{ID: 1}, exists: true}, {account: Account{ID: 1, Disabled: true}, exists: true},
		{exists: false}, {account: Account{ID: 2}, exists: true},
	} {
		k.jid = j
		c.changed(&k)
		got := c.get(j)
		if got == nil || *got != k {
			t.Fatalf("step %d: got %+v, want %+v", i, got, k)
		}
	}
}

func TestStaleReadIsNotKept(t *testing.T) {
	c := newCache(64)
	epoch := c.epoch.Load() // a reader begins
	c.changed(&known{jid: name(1), exists: true})
	c.changed(&known{jid: name(1), exists: false})
	c.found(epoch, &known{jid: name(1), account: Account{ID: 9}, exists: true})
	if k := c.get(name(1)); k == nil || k.exists {
		t.Errorf("has %+v", k)
	}
}

func TestCacheWithManyReaders(t *testing.T) {
	c := newCache(64)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				j := name(i % 200)
				if k := c.get(j); k != nil && k.jid != j {
					t.Errorf("asked for %v, got %v", j, k.jid)
				}
				if w == 0 {
					c.changed(&known{jid: j, exists: i%3 > 0})
				} else {
					c.found(c.epoch.Load(), &known{jid: j, exists: true})
				}
			}
		})
	}
	wg.Wait()
}
