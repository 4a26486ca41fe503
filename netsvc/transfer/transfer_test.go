package transfer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// The hashes of XEP-0260, of the initiator's offer and of the responder's.
func TestKey(t *testing.T) {
	romeo, juliet := "romeo@montague.lit/orchard", "juliet@capulet.lit/balcony"
	if got := Key("vj3hs98y", romeo, juliet); got != "972b7bf47291ca609517f67f86b5081086052dad" {
		t.Errorf("the initiator's: %s", got)
	}
	if got := Key("vj3hs98y", juliet, romeo); got != "1a12fb7bc625e55f3ed5b29a53dbe0e4aa7d80ba" {
		t.Errorf("the responder's: %s", got)
	}
}

func TestAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDesk()
		limit := func(n int64) Allow { return func(context.Context, Request) Decision { return Decision{Limit: n} } }
		deny := func(why string) Allow {
			return func(context.Context, Request) Decision { return Decision{Deny: true, Reason: why} }
		}
		slow := func(ctx context.Context, _ Request) Decision {
			<-ctx.Done()
			time.Sleep(time.Second)
			return Decision{}
		}
		check := func(want int64, reason string) {
			t.Helper()
			got, err := d.Allow(Request{}, 5*time.Second)
			if got != want || (err != nil) != (reason != "") || err != nil && err.Error() != reason {
				t.Errorf("limit %d, %v; want %d, %q", got, err, want, reason)
			}
		}
		check(0, "")
		d.Hook("b", limit(7))
		d.Hook("a", limit(0))
		d.Hook("c", limit(9))
		check(7, "")
		d.Hook("c", deny("no money"))
		check(0, "no money")
		d.Hook("c", deny(""))
		check(0, "this transfer is not allowed")
		d.Hook("c", nil)
		check(7, "")
		d.Hook("b", slow)
		begin := time.Now()
		check(0, "nobody could say in time whether this transfer is allowed")
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("waited %v", took)
		}
		time.Sleep(time.Second)
	})
}

type nobody struct{}

func (nobody) Streamhosts() []Streamhost     { return nil }
func (nobody) Activate(Request, func(error)) {}

func TestDesk(t *testing.T) {
	d := NewDesk()
	d.Notify(Notice{}) // nobody listens
	told := 0
	d.Tell(func(Notice) { told++ })
	d.Notify(Notice{})
	if d.Proxy() != nil || told != 1 {
		t.Error("an empty desk")
	}
	d.Offer(nobody{})
	if d.Proxy() != (nobody{}) {
		t.Error("the proxy is not there")
	}
	d.Offer(nil)
	if d.Proxy() != nil {
		t.Error("the proxy is still there")
	}
}
