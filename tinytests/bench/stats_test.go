package main

import (
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{name: "one", values: []float64{7}, want: 7},
		{name: "odd, unsorted", values: []float64{9, 1, 5}, want: 5},
		{name: "even", values: []float64{4, 1, 2, 3}, want: 2.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := median(test.values); got != test.want {
				t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
			}
		})
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v, want NaN", got)
	}
}

func TestMedianLeavesItsArgument(t *testing.T) {
	values := []float64{3, 1, 2}
	median(values)
	if values[0] != 3 || values[1] != 1 || values[2] != 2 {
		t.Errorf("the values became %v", values)
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, test := range []struct {
		name    string
		samples []time.Duration
		p       float64
		want    time.Duration
	}{
		{name: "none", samples: nil, p: 99, want: 0},
		{name: "one", samples: []time.Duration{5}, p: 1, want: 5},
		{name: "half of hundred", samples: hundred, p: 50, want: 50},
		{name: "99th of hundred", samples: hundred, p: 99, want: 99},
		{name: "between ranks takes the higher", samples: hundred, p: 98.5, want: 99},
		{name: "slowest", samples: hundred, p: 100, want: 100},
		{name: "99th of ten is the slowest", samples: hundred[:10], p: 99, want: 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := percentile(test.samples, test.p); got != test.want {
				t.Errorf("percentile %v = %v, want %v", test.p, got, test.want)
			}
		})
	}
}
