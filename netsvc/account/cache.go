package account

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"linnet/netsvc/wire/jid"
)

// ways is how many places an address may have in the cache. Absent names may
// take the last one only: whoever asks for names that do not exist cannot push
// out those that do.
const ways = 4

// cache remembers who exists and who does not. Reading takes no lock: it is on
// the way of each stanza to somebody who is not connected.
//
// Coherence: what a commit changed is put in by the store's writer, in commit
// order; what a reader found in the store is put in only if no commit came in
// between.
type cache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[known] // sets of ways
	epoch atomic.Uint64           // grows with every commit that changes an account

	mu   sync.Mutex // held for writing slots
	turn uint32     // which way is given up next
}

// known is one immutable entry.
type known struct {
	jid     jid.JID
	account Account
	exists  bool
}

// newCache makes a cache with room for about n addresses; each place costs a
// pointer until it is used, about 250 bytes after.
func newCache(n int) *cache {
	sets := 1
	for sets*ways < n {
		sets *= 2
	}
	return &cache{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[known], sets*ways)}
}

func (c *cache) set(j jid.JID) []atomic.Pointer[known] {
	n := uint64(len(c.slots) / ways)
	at := maphash.String(c.seed, j.String()) & (n - 1) * ways
	return c.slots[at : at+ways]
}

func (c *cache) get(j jid.JID) *known {
	set := c.set(j)
	for i := range set {
		if k := set[i].Load(); k != nil && k.jid == j {
			return k
		}
	}
	return nil
}

// changed records what a commit did to an address.
func (c *cache) changed(k *known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch.Add(1)
	c.put(k)
}

// found records what a reader saw in a View that began at the epoch.
func (c *cache) found(epoch uint64, k *known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch.Load() == epoch {
		c.put(k)
	}
}

func (c *cache) put(k *known) {
	set := c.set(k.jid)
	place := -1
	for i := range set {
		switch old := set[i].Load(); {
		case old != nil && old.jid == k.jid && !k.exists && i < ways-1:
			set[i].Store(nil) // an absent name moves to its own place
		case old != nil && old.jid == k.jid:
			set[i].Store(k)
			return
		case old == nil && place < 0:
			place = i
		}
	}
	switch {
	case !k.exists:
		place = ways - 1
	case place < 0:
		c.turn++
		place = int(c.turn % ways)
	}
	set[place].Store(k)
}
