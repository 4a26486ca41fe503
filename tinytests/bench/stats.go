package main

import (
	"math"
	"slices"
	"time"
)

// median returns the middle of the values, the mean of the middle two for an even number, and NaN for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// percentile returns the nearest-rank percentile of sorted samples: the smallest sample such that at least p percent
// of all are not above it. It is always a value that was measured. p is in (0, 100]; no samples give 0.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
