package jid

// Sizes of a Cache. Together they bound its memory to some ten kilobytes,
// filled by the worst of peers; a usual one takes two.
const (
	cacheSlots = 16
	// cacheRaw is the longest spelling that is kept, in bytes: longer ones
	// are rare and would let a peer fill the memory of many connections.
	cacheRaw = 256
)

// Cache remembers the last addresses that one stream spelled. A stream talks
// about few addresses at a time: on a hit, Get neither allocates nor prepares.
//
// It is direct-mapped and of fixed size. The zero value is ready, and holds no
// memory before its first use. One goroutine owns it: there is no lock.
type Cache struct {
	slots *[cacheSlots]cacheSlot
}

type cacheSlot struct {
	raw string
	jid JID
}

// Get is Parse of the spelling raw, which it does not keep.
func (c *Cache) Get(raw []byte) (JID, error) {
	if len(raw) > cacheRaw {
		return parse(string(raw))
	}
	if c.slots == nil {
		c.slots = new([cacheSlots]cacheSlot)
	}
	slot := &c.slots[hash(raw)%cacheSlots]
	// The conversion in a comparison does not allocate. An empty spelling
	// never counts as a hit: it is no address.
	if slot.raw == string(raw) && len(raw) > 0 {
		return slot.jid, nil
	}
	text := string(raw)
	j, err := parse(text)
	if err != nil {
		return JID{}, err // not kept: errors are not worth a slot
	}
	// A canonical spelling is shared by key and value.
	*slot = cacheSlot{raw: text, jid: j}
	return j, nil
}

// hash is FNV-1a. A peer that aims at one slot slows down only itself.
func hash(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h ^ h>>16
}
