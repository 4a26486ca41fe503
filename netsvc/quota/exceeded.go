package quota

import (
	"sync"
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/module"
)

// exceeded tells the operator of limits that were reached, once in a month for each limit of each of those who
// have one: who goes on trying is no news. It is live state.
type exceeded struct {
	mu    sync.Mutex
	month Month
	told  map[string]bool
}

// maxTold is how many are remembered; what is beyond is not told.
const maxTold = 1000

// declareExceeded declares the event and returns what is to be told of each refusal.
func declareExceeded(h module.Host) func(*Limit) {
	x := module.Live(h, "quota/exceeded", func() *exceeded { return new(exceeded) })
	source := event.Declare(h, event.Desc{Name: "quotaExceeded", Severity: event.Notice, Help: "A limit of what may be relayed is reached.", Moment: true,
		Fields: []event.Field{{Name: "who", Kind: event.Person}, {Name: "limit"}, {Name: "megabytes", Kind: event.Number}}})
	return func(l *Limit) {
		// What is forbidden is not reached, and that of one transfer is between the two who have it.
		if l.Value != Deny && l.Scope != File && x.news(l, time.Now()) {
			source.Raise(l.Who, l.Scope.String(), int64(l.Value)>>20)
		}
	}
}

func (x *exceeded) news(l *Limit, now time.Time) bool {
	key := l.Scope.String() + " " + l.Who
	x.mu.Lock()
	defer x.mu.Unlock()
	if month := MonthOf(now); x.told == nil || month != x.month {
		x.month, x.told = month, make(map[string]bool)
	}
	if x.told[key] || len(x.told) == maxTold {
		return false
	}
	x.told[key] = true
	return true
}
