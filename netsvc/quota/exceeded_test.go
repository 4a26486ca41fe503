package quota

import (
	"fmt"
	"testing"
	"time"

	"linnet/netsvc/event"
)

// A limit that is reached is told once, with whom it is for; what is forbidden, or for one transfer, is not.
func TestExceeded(t *testing.T) {
	r, l := start(t, map[string]string{"quota/user": "2MB", "quota/name": "node1"})
	for range 2 {
		if a, err := l.Open(t.Context(), flow("romeo@montague.lit/a", "juliet@capulet.lit/b")); err == nil {
			drain(a, Forward, 100<<20)
			a.Close("limit")
		}
	}
	run(t, r, "quota set", "who", "juliet@capulet.lit", "limit", "user", "value", "deny")
	l.Open(t.Context(), flow("juliet@capulet.lit/a", "stranger@elsewhere.lit/b"))
	var told []string
	for _, e := range event.Of(r.Module.(*device).host).Past() {
		told = append(told, e.Text())
	}
	if got := fmt.Sprint(told); got != "[A limit of what may be relayed is reached. who=romeo@montague.lit limit=user megabytes=2]" {
		t.Errorf("told %s", got)
	}
}

func TestNews(t *testing.T) {
	x := new(exceeded)
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	romeo, box := &Limit{Scope: User, Who: "romeo@montague.lit"}, &Limit{Scope: Box}
	for i, tt := range []struct {
		limit *Limit
		at    time.Time
		want  bool
	}{{romeo, day, true}, {romeo, day, false}, {box, day, true}, {&Limit{Scope: Domain, Who: romeo.Who}, day, true}, {romeo, day.AddDate(0, 0, 9), true}, {romeo, day.AddDate(0, 0, 9), false}, {romeo, day.AddDate(1, 0, 9), true}} {
		if got := x.news(tt.limit, tt.at); got != tt.want {
			t.Errorf("%d: %v", i, got)
		}
	}
	for i := range maxTold {
		x.news(&Limit{Scope: User, Who: fmt.Sprint(i)}, day)
	}
	if x.news(&Limit{Scope: User, Who: "one more"}, day) {
		t.Error("more are remembered than the limit")
	}
}
