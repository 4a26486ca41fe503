package turn

import (
	"sync"
	"time"
)

// bucket bounds bytes a second. A second's worth may come at once. The zero bucket is full.
type bucket struct {
	mu   sync.Mutex
	have int64
	at   time.Time
}

// take reports whether n bytes may pass at that rate, and takes them.
func (k *bucket) take(n int, rate int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	past := now.Sub(k.at)
	if past >= time.Second {
		k.have, k.at = rate, now
	} else if gained := rate * int64(past/time.Microsecond) / 1_000_000; gained > 0 {
		k.have, k.at = min(rate, k.have+gained), now
	}
	if k.have < int64(n) {
		return false
	}
	k.have -= int64(n)
	return true
}
