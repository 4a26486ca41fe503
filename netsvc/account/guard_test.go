package account

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/wire/jid"
)

var (
	home   = netip.MustParseAddr("192.0.2.1")
	away   = netip.MustParseAddr("198.51.100.7")
	juliet = jid.MustParse("juliet@example.org")
	romeo  = jid.MustParse("romeo@example.org")
)

func addr(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a000000+uint32(i))
	return netip.AddrFrom4(b)
}

// try is one attempt with a wrong password, as negotiation makes it; it reports
// whether the password was looked at.
func try(g *Guard, from netip.Addr, who jid.JID) bool {
	v := g.Ask(from, who)
	if v.Refuse {
		return false
	}
	time.Sleep(v.Wait)
	g.Failed(from, who)
	return true
}

func TestGuardRefusesAPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardLimits{})
		for i := range 5 {
			if !try(g, home, juliet) {
				t.Fatalf("try %d was refused", i+1)
			}
		}
		if try(g, home, juliet) {
			t.Error("the sixth was looked at")
		}
		if v := g.Ask(home, romeo); v != (Verdict{}) {
			t.Errorf("another account from there: %+v", v)
		}
		if v := g.Ask(away, juliet); v.Refuse {
			t.Error("the same account from elsewhere was refused")
		}
		time.Sleep(4 * time.Second)
		if !try(g, home, juliet) {
			t.Error("refused after the time was up")
		}
		time.Sleep(4 * time.Second)
		if try(g, home, juliet) {
			t.Error("the time did not double")
		}
		time.Sleep(4 * time.Second)
		if !try(g, home, juliet) {
			t.Error("refused after the doubled time")
		}
		time.Sleep(24 * time.Hour)
		for range 5 {
			if !try(g, home, juliet) {
				t.Error("old failures are not forgotten")
			}
		}
	})
}

// An attacker who never stops gets at most about four tries an hour.
func TestGuardBoundsGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardLimits{})
		looked := 0
		for start := time.Now(); time.Since(start) < 24*time.Hour; time.Sleep(time.Second) {
			if try(g, home, juliet) {
				looked++
			}
		}
		if looked > 24*8 {
			t.Errorf("%d passwords in a day", looked)
		}
		if looked < 24 {
			t.Errorf("locked out: %d passwords in a day", looked)
		}
	})
}

// The operator's longest refusal holds, also where old failures would count half
// by then.
func TestGuardRefusesForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardLimits{Most: 24 * time.Hour})
		looked := 0
		for start := time.Now(); time.Since(start) < 10*24*time.Hour; time.Sleep(time.Minute) {
			if try(g, home, juliet) {
				looked++
			}
		}
		if looked > 5+15+10 { // at once, while the time doubles to a day, and one each day
			t.Errorf("%d passwords in ten days", looked)
		}
	})
}

func TestGuardSuccessForgivesThePair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardLimits{})
		for range 20 {
			for range 4 {
				if !try(g, home, juliet) {
					t.Fatal("refused")
				}
			}
			g.Succeeded(home, juliet)
			time.Sleep(time.Hour)
		}
	})
}

func TestGuardRefusesAnAddressThatTriesManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardLimits{})
		g.Succeeded(home, juliet)
		n := 0
		for n < 1000 && try(g, home, name(n)) { // most of them do not exist
			n++
		}
		if n != 25 {
			t.Errorf("%d names were looked at", n)
		}
		if v := g.Ask(home, romeo); !v.Refuse {
			t.Error("a stranger at that address was let through")
		}
		if v := g.Ask(home, juliet); v.Refuse {
			t.Error("who logged in there before was refused")
		}
		if v := g.Ask(home, jid.JID{}); !v.Refuse {
			t.Error("a name that cannot be read was let through")
		}
	})
}

func TestGuardOnlySlowsAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardLimits{})
		g.Succeeded(home, juliet)
		for i := range 500 { // a botnet
			if v := g.Ask(addr(i), juliet); v.Refuse {
				t.Fatalf("address %d was refused at its first try", i)
			}
			g.Failed(addr(i), juliet)
		}
		if v := g.Ask(away, juliet); v.Refuse || v.Wait != 5*time.Second {
			t.Errorf("a stranger: %+v", v)
		}
		if v := g.Ask(home, juliet); v != (Verdict{}) {
			t.Errorf("who logged in there before: %+v", v)
		}
		if v := g.Ask(away, romeo); v != (Verdict{}) {
			t.Errorf("another account: %+v", v)
		}
		time.Sleep(40 * 24 * time.Hour)
		if v := g.Ask(home, juliet); v != (Verdict{}) {
			t.Errorf("after a month: %+v", v)
		}
	})
}

// The same attempts get the same verdicts whether the name exists or not: Guard
// does not know. What is left is that negotiation treats them alike.
func TestGuardMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardLimits{Places: 64})
		for i := range 10000 {
			g.Failed(addr(i), jid.MustParse(fmt.Sprintf("u%d@example.org", i)))
			if i%100 == 0 {
				time.Sleep(time.Second)
			}
		}
		if n := len(g.pairs)*4 + len(g.addrs)*4 + len(g.names)*4 + len(g.good)*4; n != 4*64 {
			t.Errorf("%d places", n)
		}
		// What happened last is still there.
		last := jid.MustParse("u9999@example.org")
		for range 4 {
			g.Failed(addr(9999), last)
		}
		if v := g.Ask(addr(9999), last); !v.Refuse {
			t.Error("the newest failures were given up")
		}
	})
}

// Who has an IPv6 /64 has one address here, and an IPv4 address is the same however
// it is written.
func TestGuardKnowsOneCustomer(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, then string
		refused     bool
	}{
		{"the same /64", "2001:db8::1", "2001:db8::ffff:1:2:3", true},
		{"the next /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"another zone", "fe80::1%eth0", "fe80::2%eth1", true},
	} {
		g := NewGuard(GuardLimits{})
		for range 5 {
			g.Failed(netip.MustParseAddr(c.first), juliet)
		}
		if v := g.Ask(netip.MustParseAddr(c.then), juliet); v.Refuse != c.refused {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

// A new password ends the waiting of strangers, not of those who guessed.
func TestGuardForgets(t *testing.T) {
	g := NewGuard(GuardLimits{})
	for i := range 20 {
		g.Failed(addr(i), juliet)
	}
	for range 5 {
		g.Failed(home, juliet)
	}
	if v := g.Ask(away, juliet); v.Wait == 0 {
		t.Fatal("a stranger need not wait")
	}
	g.Forget(juliet)
	if v := g.Ask(away, juliet); v != (Verdict{}) {
		t.Errorf("a stranger: %+v", v)
	}
	if v := g.Ask(home, juliet); !v.Refuse {
		t.Errorf("who guessed: %+v", v)
	}
}

func TestGuardCounts(t *testing.T) {
	g := NewGuard(GuardLimits{})
	for range 7 {
		try(g, home, juliet)
	}
	g.Succeeded(home, juliet)
	if g.failures.Value() != 5 || g.refusals.Value() != 2 || g.logins.Value() != 1 {
		t.Errorf("%d failures, %d refused, %d logins", g.failures.Value(), g.refusals.Value(), g.logins.Value())
	}
}

func BenchmarkGuard(b *testing.B) {
	g := NewGuard(GuardLimits{})
	b.ReportAllocs()
	for b.Loop() {
		g.Ask(home, juliet)
		g.Succeeded(home, juliet)
	}
}
