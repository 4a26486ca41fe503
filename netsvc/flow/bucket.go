package flow

import (
	"math"
	"time"
)

// Bucket is a token bucket, for bytes or for counts. It refills when it is
// asked, so it needs no timer. The zero value has no limit. One goroutine
// owns it, the connection's reader usually.
type Bucket struct {
	rate  float64 // tokens per second; 0: no limit
	burst float64
	level float64 // may be negative: a debt that Take's caller waits off
	last  time.Time
}

// NewBucket returns a full bucket of burst tokens that refills with rate
// tokens per second; a rate of 0 means no limit.
func NewBucket(rate, burst float64) Bucket {
	return Bucket{rate: rate, burst: burst, level: burst}
}

// Set changes rate and burst; a level above the new burst is cut.
func (k *Bucket) Set(rate, burst float64) {
	k.rate, k.burst = rate, burst
	k.level = min(k.level, burst)
}

// Take takes n tokens and returns how long the caller should pause before it
// takes more: 0 while the bucket is not in debt. It always takes, so that
// something larger than the burst passes, and is paid for afterwards.
func (k *Bucket) Take(n int) time.Duration {
	if k.rate <= 0 {
		return 0
	}
	k.refill(time.Now())
	k.level -= float64(n)
	return k.wait(0)
}

// Allow takes n tokens if there are as many, and says whether it did.
func (k *Bucket) Allow(n int) bool {
	if k.rate <= 0 {
		return true
	}
	k.refill(time.Now())
	if k.level < float64(n) {
		return false
	}
	k.level -= float64(n)
	return true
}

// Wait returns how long until n tokens are there, taking none.
func (k *Bucket) Wait(n int) time.Duration {
	if k.rate <= 0 {
		return 0
	}
	k.refill(time.Now())
	return k.wait(float64(n))
}

func (k *Bucket) wait(need float64) time.Duration {
	if k.level >= need {
		return 0
	}
	seconds := (need - k.level) / k.rate
	if seconds > math.MaxInt32 {
		seconds = math.MaxInt32
	}
	// Rounded up: a caller that pauses this long finds the tokens there.
	return time.Duration(math.Ceil(seconds * float64(time.Second)))
}

func (k *Bucket) refill(now time.Time) {
	if !k.last.IsZero() {
		// time.Time carries the monotonic clock, so a jump of the board's
		// wall clock neither fills nor blocks the bucket.
		k.level = min(k.burst, k.level+now.Sub(k.last).Seconds()*k.rate)
	}
	k.last = now
}
