package flow

import (
	"math"
	"time"
)

// Bucket is a token bucket, for bytes or for counts. It refills when it is
// asked, so it needs no timer; it goes by the monotonic clock, so a jump of the
// board's wall clock neither fills nor blocks it. The zero value has no limit.
// One goroutine at a time owns it, a connection's reader usually.
type Bucket struct {
	token float64       // how many nanoseconds one token takes to come; 0: no limit
	most  time.Duration // what filling it from empty takes
	// debt is how long until the bucket is full, as of last. It exceeds
	// most when more was taken than was there.
	debt time.Duration
	last time.Time
}

// forever bounds times, to be added without care: 73 years.
const forever = math.MaxInt64 / 4

// NewBucket returns a full bucket of burst tokens that gains rate tokens each
// second; a rate of 0 means no limit.
func NewBucket(rate, burst float64) Bucket {
	var k Bucket
	k.Set(rate, burst)
	return k
}

// Set changes rate and burst. What is missing stays missing for as long as it
// would have, which with a lower rate is less: nobody pays twice.
func (k *Bucket) Set(rate, burst float64) {
	k.token, k.most = 0, 0
	if rate > 0 {
		k.token = float64(time.Second) / rate
		k.most = k.cost(burst)
	}
}

// Take takes n tokens and returns how long the caller should pause before it
// takes more: 0 while what was taken was there. It always takes, so that
// something larger than the burst passes and is paid for afterwards.
func (k *Bucket) Take(n int) time.Duration {
	if k.token == 0 {
		return 0
	}
	k.refill()
	k.debt = min(k.debt+k.cost(float64(n)), forever)
	return max(0, k.debt-k.most)
}

// Allow takes n tokens if there are as many, and says whether it did.
func (k *Bucket) Allow(n int) bool {
	if k.Wait(n) > 0 {
		return false
	}
	if k.token != 0 {
		k.debt += k.cost(float64(n))
	}
	return true
}

// Wait returns how long until n tokens are there, and takes none. More than
// the burst are never there; the time is then when Take(n) would leave no
// pause longer than its excess.
func (k *Bucket) Wait(n int) time.Duration {
	if k.token == 0 {
		return 0
	}
	k.refill()
	return max(0, k.debt+k.cost(float64(n))-k.most)
}

// cost returns how long n tokens take to come, rounded up.
func (k *Bucket) cost(n float64) time.Duration {
	return time.Duration(min(math.Ceil(n*k.token), forever))
}

func (k *Bucket) refill() {
	now := time.Now()
	if k.debt > 0 {
		k.debt = max(0, k.debt-now.Sub(k.last))
	}
	k.last = now
}
