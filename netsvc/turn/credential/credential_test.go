package credential

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/store"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestIssue(t *testing.T) {
	s := NewSecret(35, noon)
	a, b := s.Issue(7, noon, time.Hour), s.Issue(7, noon, time.Hour)
	if !strings.HasPrefix(a.Name, "1795352400:z.") || !a.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", a)
	}
	if a.Name == b.Name || a.Password == b.Password {
		t.Error("two credentials of one account are alike: calls could be told to be one person's")
	}
	n, ok := Parse(a.Name)
	if !ok || n.Secret != 35 || n.Account(s) != 7 || !n.Expires.Equal(a.Expires) {
		t.Errorf("%+v, %v", n, ok)
	}
	if got := hex.EncodeToString(s.KeyOf(a.Name, "example.org")); got != hex.EncodeToString(Key(a.Name, "example.org", a.Password)) {
		t.Error("the keys of both sides differ")
	}
	if n.Account(NewSecret(35, noon)) == 7 {
		t.Error("the account can be read with another secret")
	}
}

// RFC 8489 section 9.2.2.
func TestKey(t *testing.T) {
	if got := hex.EncodeToString(Key("user", "realm", "pass")); got != "8493fbc53ba582fb4c044c456bdc40eb" {
		t.Error(got)
	}
}

func TestParse(t *testing.T) {
	const opaque = "AAAAAAAAAAAAAAAAAAAAAA"
	for _, tc := range []struct {
		name string
		ok   bool
	}{
		{"1795352400:0." + opaque, true},
		{"1795352400:zz." + opaque, true},
		{"", false},
		{"romeo", false},
		{"1795352400", false},
		{"1795352400:" + opaque, false},
		{":0." + opaque, false},
		{"1795352400:." + opaque, false},
		{"+1795352400:0." + opaque, false},
		{"01795352400:0." + opaque, false},
		{"99999999999999999999:0." + opaque, false},
		{"1795352400:00." + opaque, false},
		{"1795352400:Z." + opaque, false},
		{"1795352400:zzzzzzzz." + opaque, false},
		{"1795352400:0." + opaque + "A", false},
		{"1795352400:0." + opaque[1:], false},
		{"1795352400:0." + opaque[1:] + "B", false}, // bits that say nothing
		{"1795352400:0." + opaque[1:] + "=", false},
		{"1795352400:0." + opaque + "\n", false},
		{strings.Repeat("1", 65), false},
	} {
		if _, ok := Parse(tc.name); ok != tc.ok {
			t.Errorf("%q: %v", tc.name, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1795352400:zz.AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, name string) {
		if n, ok := Parse(name); ok && n.Good(NewSecret(0, noon), noon) && n.Expires.Before(noon) {
			t.Error("an old one is good")
		}
	})
}

func TestGood(t *testing.T) {
	s := NewSecret(1, noon)
	until := *s
	until.Until = noon.Add(time.Minute)
	for _, tc := range []struct {
		name    string
		secret  *Secret
		expires time.Duration
		at      time.Duration
		good    bool
	}{
		{"now", s, time.Hour, 0, true},
		{"the last moment", s, time.Hour, time.Hour - time.Second, true},
		{"expired", s, time.Hour, time.Hour, false},
		{"as long as there may be", s, Longest, 0, true},
		{"longer", s, Longest + time.Second, 0, false},
		{"before the clock was set", s, time.Hour, -50 * 365 * 24 * time.Hour, false},
		{"secret before", &until, time.Hour, 0, true},
		{"its end", &until, time.Hour, time.Minute, false},
	} {
		n, _ := Parse(tc.secret.Issue(1, noon, tc.expires).Name)
		if got := n.Good(tc.secret, noon.Add(tc.at)); got != tc.good {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// What the keeper has stays over a restart: secrets, the one before, users.
func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	var k *Keeper
	open := func() (close func()) {
		k = NewKeeper()
		db, err := store.Open(store.Options{Dir: dir, Tables: k.Tables()})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Open(context.Background(), db); err != nil {
			t.Fatal(err)
		}
		return func() { db.Close() }
	}
	known := func(c Credential) bool {
		n, ok := Parse(c.Name)
		s := k.Find(n.Secret)
		return ok && s != nil && n.Good(s, time.Now()) && n.Account(s) == account.ID(7) && s.password(c.Name) == c.Password
	}
	issue := func() Credential { return k.Issue(7, time.Now(), time.Hour) }

	done := open()
	first := issue()
	done()
	done = open()
	if !known(first) {
		t.Error("not known after a restart")
	}
	now := time.Now()
	if err := k.Rotate(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if n, _ := Parse(first.Name); k.Find(n.Secret).Until.Before(now.Add(time.Hour)) || k.Find(n.Secret).Until.After(time.Now().Add(time.Hour)) {
		t.Error("a secret is kept for another time")
	}
	second := issue()
	if !known(first) || !known(second) {
		t.Error("a secret is lost")
	}
	done()
	done = open()
	if !known(first) || !known(second) {
		t.Error("a secret is lost by a restart")
	}
	k.Rotate(t.Context(), 0)
	if known(second) || !known(first) || !known(issue()) {
		t.Error("what ends at once is good, or takes others with it")
	}
	if err := k.SetUser(t.Context(), User{Name: "phone", Realm: "r", Key: Key("phone", "r", "x")}); err != nil {
		t.Fatal(err)
	}
	k.SetUser(t.Context(), User{Name: "fax", Realm: "r", Key: Key("fax", "r", "x")})
	k.SetUser(t.Context(), User{Name: "fax"})
	done()
	done = open()
	defer done()
	if u := k.Named("phone"); u == nil || u.Realm != "r" || string(u.Key) != string(Key("phone", "r", "x")) || len(k.Users()) != 1 {
		t.Errorf("%v", k.Users())
	}
}
