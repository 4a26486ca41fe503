package snmp

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/config"
	"linnet/netsvc/module/moduletest"
)

func TestEngine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, engineFile)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(remembered identity) (*engine, bool) {
		t.Helper()
		e, lost, err := startEngine(dir, remembered, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(e.id) != 17 || string(e.id[:5]) != string(enginePrefix) {
			t.Fatalf("identifier %x", e.id)
		}
		return e, lost
	}
	first, lost := begin(identity{})
	if lost || first.boots != 1 {
		t.Errorf("at first: boots %d, lost %v", first.boots, lost)
	}
	second, lost := begin(identity{first.id, 1})
	if lost || second.boots != 2 || string(second.id) != string(first.id) {
		t.Errorf("then: boots %d, lost %v", second.boots, lost)
	}
	if e, lost := begin(identity{first.id, 1}); lost || e.boots != 3 {
		t.Errorf("with an older database: boots %d, lost %v", e.boots, lost)
	}
	if e, lost := begin(identity{first.id, 77}); lost || e.boots != 78 {
		t.Errorf("with an older file: boots %d, lost %v", e.boots, lost)
	}
	if e, lost := begin(identity{[]byte("another engine"), 99}); lost || e.boots != 79 || string(e.id) != string(first.id) {
		t.Errorf("with another database: boots %d, lost %v", e.boots, lost)
	}
	for name, text := range map[string]string{"garbage": "garbage", "cut": fmt.Sprintf("%x ", first.id), "negative": fmt.Sprintf("%x -1\n", first.id),
		"too short": "8000 1\n", "empty": "", "worn out": fmt.Sprintf("%x %d\n", first.id, maxBoots-1)} {
		write(text)
		if e, lost := begin(identity{first.id, 5}); !lost || e.boots != 1 || string(e.id) == string(first.id) {
			t.Errorf("%s: boots %d, lost %v", name, e.boots, lost)
		}
	}
	os.Remove(path)
	if e, lost := begin(identity{first.id, 5}); !lost || e.boots != 1 {
		t.Errorf("without the file: boots %d, lost %v", e.boots, lost)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
	if _, _, err := startEngine(filepath.Join(dir, "missing"), identity{}, time.Now()); err == nil {
		t.Error("a directory that is not there is no error")
	}
	e := &engine{start: time.Now().Add(-90 * time.Second)}
	if now := e.time(time.Now()); now < 90 || now > 100 || e.time(e.start.Add(-time.Second)) != 0 {
		t.Errorf("time %d", now)
	}
}

// The clock of the limiter goes on when an agent that was switched off is switched on again: it would owe every source
// the time that it ran before.
func TestReportsAfterSwitchedOff(t *testing.T) {
	r := moduletest.Start(t, info, moduletest.Options{Values: users()})
	s := r.Module.(*service)
	old := *s.agent.engine.Load()
	old.start = old.start.Add(-time.Hour)
	s.agent.engine.Store(&old)
	discover := func() bool {
		w := writer{b: make([]byte, headroom), at: headroom, end: headroom}
		w.pdu(tagGet, 1, 0, 0)
		return newDesk(s.agent).answer(w.seal(&sealed{id: 1, flags: flagReportable}), someone) != nil
	}
	if !discover() {
		t.Fatal("no Report")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Switch()
	if !discover() {
		t.Error("no Report after the agent was switched off and on")
	}
}

// An agent ends while a reload still makes keys: nothing is left behind that answers or reads.
func TestStopDuringReload(t *testing.T) {
	r := moduletest.Start(t, info, moduletest.Options{Values: map[string]string{"snmp.community.a/name": "a", "snmp.community.a/sources": "::/0"}})
	r.Again(users())
	s := r.Module.(*service)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := s.agent; a.engine.Load() != nil || a.access.Load() != nil || a.linked.Load() {
		t.Error("something of the agent goes on")
	}
	if err := s.Start(t.Context()); err != nil { // the end of the test stops it
		t.Fatal(err)
	}
}

// However a source is written, who asks from there may.
func TestCommunitySources(t *testing.T) {
	for _, tc := range []struct {
		source, from string
		want         bool
	}{
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "::ffff:192.0.2.7", true},
		{"::ffff:192.0.2.7", "192.0.2.7", true},
		{"::ffff:192.0.2.7", "::ffff:192.0.2.7", true},
		{"::ffff:192.0.2.7", "192.0.2.8", false},
		{"::ffff:192.0.2.0/120", "192.0.2.8", true},
		{"::ffff:192.0.2.0/120", "192.0.3.8", false},
		{"::ffff:0:0/96", "203.0.113.9", true},
		{"::ffff:0:0/96", "2001:db8::1", false},
		{"2001:db8::/32", "2001:db8::1", true},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		o := &options{}
		c := &communityOptions{sources: []string{tc.source}, view: viewAll}
		section := config.NewSchema().Section("snmp")
		if err := section.Secret(&c.name, "name", "the name").AssignText("x", config.LayerFlag); err != nil {
			t.Fatal(err)
		}
		if err := o.checkCommunity(c); err != nil {
			t.Errorf("%s: %v", tc.source, err)
			continue
		}
		a := &access{communities: []*principal{{community: []byte("x"), sources: c.from}}}
		if got := a.community([]byte("x"), netip.MustParseAddr(tc.from)) != nil; got != tc.want {
			t.Errorf("%s asks, and the source is %s: %v", tc.from, tc.source, got)
		}
	}
}

// A restart has new boots, the same engine and the same keys.
func TestKeysAreKept(t *testing.T) {
	r, _ := start(t, map[string]string{"snmp.user.noc/auth_secret": "the first phrase"})
	s := r.Module.(*service)
	if _, err := s.keys(s.options.users[0], 3, 1); err != nil {
		t.Fatal(err)
	}
	kept, err := s.keys(s.options.users[0], 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Again(map[string]string{"snmp.user.noc/auth": "sha256"}) // the secret is gone from the configuration
	s = r.Module.(*service)
	again, err := s.keys(s.options.users[0], 3, 1)
	if err != nil || string(again.Auth) != string(kept.Auth) {
		t.Errorf("without a secret: %x, want %x, %v", again.Auth, kept.Auth, err)
	}
	if _, err := s.keys(s.options.users[0], 5, 1); err == nil {
		t.Error("keys of another algorithm are taken")
	}
	r.Again(map[string]string{"snmp.user.noc/auth_secret": "another phrase"})
	s = r.Module.(*service)
	if again, err = s.keys(s.options.users[0], 3, 1); err != nil || string(again.Auth) == string(kept.Auth) {
		t.Errorf("with another secret the keys stay: %v", err)
	}
	if _, err := s.keys(&userOptions{section: "new"}, 3, 1); err == nil {
		t.Error("a user without any key is taken")
	}
}

func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values string // section/option=value;…
		want   string // "" for none
	}{
		{"a user", "user.a/auth_secret=12345678", ""},
		{"a short secret", "user.a/auth_secret=1234567", "needs 8 characters"},
		{"a short secret of the cipher", "user.a/auth_secret=12345678;user.a/priv_secret=1234567", "needs 8 characters"},
		{"no secret is that of the store", "user.a/auth=sha1", ""},
		{"one secret only", "user.a/priv_secret=12345678", "is missing beside priv_secret"},
		{"encryption alone", "user.a/auth=none", "needs authentication"},
		{"nobody", "user.a/auth=none;user.a/priv=none", ""},
		{"who writes", "user.a/auth_secret=12345678;user.a/role=admin", ""},
		{"who writes in the open", "user.a/auth_secret=12345678;user.a/role=admin;user.a/priv=none", "needs authentication and encryption"},
		{"32 bytes of name", "user.a/name=" + strings.Repeat("n", 32), ""},
		{"33 bytes of name", "user.a/name=" + strings.Repeat("n", 33), "at most 32"},
		{"a name twice", "user.a/name=b;user.b/auth=sha1", "same name"},
		{"an unknown view", "user.a/view=nothing", `no view "nothing"`},
		{"a view", "user.a/view=mine;view.mine/include=1.3.6;view.mine/exclude=.1.3.6.1", ""},
		{"a view of that name", "view.all/include=1.3", "already"},
		{"a view of nonsense", "view.mine/include=x", "not an object identifier"},
		{"a community", "community.a/name=x;community.a/sources=10.0.0.0/8,2001:db8::1", ""},
		{"a community without name", "community.a/sources=10.0.0.0/8", "1 to 255"},
		{"a community for all", "community.a/name=x", "must say who"},
		{"a community of nonsense", "community.a/name=x;community.a/sources=10.0.0.0/33", "neither"},
		{"a community of more than all of IPv4", "community.a/name=x;community.a/sources=::ffff:0:0/95", "neither"},
		{"a target", "target.a/address=192.0.2.1;target.a/community=x", ""},
		{"a target with port", "target.a/address=[2001:db8::1]:1162;target.a/community=x", ""},
		{"a target of IPv6", "target.a/address=2001:db8::1;target.a/community=x", ""},
		{"a target of a user", "target.a/address=nms;target.a/user=a;user.a/auth_secret=12345678", ""},
		{"a target of nobody", "target.a/address=nms", "either a user or a community"},
		{"a target of an unknown user", "target.a/address=nms;target.a/user=b", "no [snmp.user.b]"},
		{"an inform without secret", "target.a/address=nms;target.a/user=a;target.a/inform=true;user.a/auth=sha1", "needs a secret"},
		{"a target nowhere", "target.a/address=;target.a/community=x", "not an address"},
		{"port 0", "target.a/address=nms:0;target.a/community=x", "not an address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			schema := config.NewSchema()
			o := new(options)
			o.declare(schema.Section("snmp"))
			for text := range strings.SplitSeq(tc.values, ";") {
				path, value, _ := strings.Cut(text, "=")
				section, name, _ := strings.Cut(path, "/")
				if err := schema.Open("snmp."+section).Option(name).AssignText(value, config.LayerFlag); err != nil {
					t.Fatal(err)
				}
			}
			got := config.Problems(schema.Validate()).Error()
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("problems %q, want %q", got, tc.want)
			}
			if err := schema.Err(); err != nil {
				t.Error(err)
			}
			if tc.want == "" && !(&service{options: *o}).Enabled() && len(o.users)+len(o.communities)+len(o.targets) > 0 {
				t.Error("not enabled")
			}
		})
	}
	if (&service{}).Enabled() {
		t.Error("enabled for nobody")
	}
}

func TestLimiter(t *testing.T) {
	l := newLimiter()
	a := netip.MustParseAddr("192.0.2.1")
	for i := range burst + 5 {
		if got := l.allow(a, time.Second); got != (i < burst) {
			t.Errorf("answer %d: %v", i+1, got)
		}
	}
	if l.allow(netip.MustParseAddr("::ffff:192.0.2.1"), time.Second) {
		t.Error("the same address in another form is another source")
	}
	got := 0
	for range 20 {
		if l.allow(a, 2*time.Second) {
			got++
		}
	}
	if got != 10 {
		t.Errorf("%d answers in the next second", got)
	}
	// One of 512 has the bucket of a.
	others, b := 0, a
	for range 8 {
		if b = b.Next(); l.allow(b, 2*time.Second) {
			others++
		}
	}
	if others == 0 {
		t.Error("other sources get nothing")
	}
	for range burst {
		l.allow(netip.MustParseAddr("2001:db8::1"), 5*time.Second)
	}
	if l.allow(netip.MustParseAddr("2001:db8::2"), 5*time.Second) {
		t.Error("a network of IPv6 is many sources")
	}
}

func TestCommands(t *testing.T) {
	values := users()
	values["snmp.target.nms/address"], values["snmp.target.nms/community"] = "127.0.0.1:9", "a secret community"
	r, _ := start(t, values)
	for command, want := range map[string]string{
		"snmp show":    "usmStatsWrongDigests",
		"snmp users":   "sha256_aes128",
		"snmp targets": "127.0.0.1:9",
		"snmp test":    "",
	} {
		result, err := r.Run(command, nil)
		if err != nil {
			t.Errorf("%s: %v", command, err)
			continue
		}
		text := ""
		if result != nil {
			text = string(result.AppendTable(nil, "", ""))
		}
		if !strings.Contains(text, want) || strings.Contains(text, "secret") || strings.Contains(text, "phrase") {
			t.Errorf("%s shows\n%s", command, text)
		}
	}
}
