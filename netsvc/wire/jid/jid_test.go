package jid

import (
	"strings"
	"sync"
	"testing"
)

// RFC 7622 section 3.5, tables 1 and 2.
func TestExamples(t *testing.T) {
	tests := []struct {
		number                             int
		in                                 string
		local, domain, resource, canonical string
	}{
		{1, "juliet@example.com", "juliet", "example.com", "", "juliet@example.com"},
		{2, "juliet@example.com/foo", "juliet", "example.com", "foo", "juliet@example.com/foo"},
		{3, "juliet@example.com/foo bar", "juliet", "example.com", "foo bar", "juliet@example.com/foo bar"},
		{4, "juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar", "juliet@example.com/foo@bar"},
		{5, `foo\20bar@example.com`, `foo\20bar`, "example.com", "", `foo\20bar@example.com`},
		{6, "fussball@example.com", "fussball", "example.com", "", "fussball@example.com"},
		{7, "fu\u00dfball@example.com", "fu\u00dfball", "example.com", "", "fu\u00dfball@example.com"},
		{8, "\u03c0@example.com", "\u03c0", "example.com", "", "\u03c0@example.com"},
		{9, "\u03a3@example.com/foo", "\u03c3", "example.com", "foo", "\u03c3@example.com/foo"},
		{10, "\u03c3@example.com/foo", "\u03c3", "example.com", "foo", "\u03c3@example.com/foo"},
		{11, "\u03c2@example.com/foo", "\u03c2", "example.com", "foo", "\u03c2@example.com/foo"},
		{12, "king@example.com/\u265a", "king", "example.com", "\u265a", "king@example.com/\u265a"},
		{13, "example.com", "", "example.com", "", "example.com"},
		{14, "example.com/foobar", "", "example.com", "foobar", "example.com/foobar"},
		{15, "a.example.com/b@example.net", "", "a.example.com", "b@example.net", "a.example.com/b@example.net"},
		{16, `"juliet"@example.com`, "", "", "", ""},
		{17, "foo bar@example.com", "", "", "", ""},
		// Number 18 is listed as invalid for its leading space, but the
		// normative text has no such rule: OpaqueString keeps spaces. See the
		// package comment.
		{18, "juliet@example.com/ foo", "juliet", "example.com", " foo", "juliet@example.com/ foo"},
		{19, "@example.com/", "", "", "", ""},
		{20, "henry\u2163@example.com", "", "", "", ""},
		{21, "\u265a@example.com", "", "", "", ""},
		{22, "juliet@", "", "", "", ""},
		{23, "/foobar", "", "", "", ""},
	}
	for _, test := range tests {
		j, err := Parse(test.in)
		if (err == nil) != (test.canonical != "") {
			t.Errorf("example %d, %q: error %v", test.number, test.in, err)
			continue
		}
		if j.Local() != test.local || j.Domain() != test.domain || j.Resource() != test.resource || j.String() != test.canonical {
			t.Errorf("example %d, %q: got %q %q %q = %q", test.number, test.in, j.Local(), j.Domain(), j.Resource(), j)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, in, want string
		err            error
	}{
		{name: "case of local and domain", in: "Juliet@EXAMPLE.com/Foo", want: "juliet@example.com/Foo"},
		{name: "lan host", in: "HOSTNAME.local", want: "hostname.local"},
		{name: "lan user", in: "Admin@HOSTNAME.local/x", want: "admin@hostname.local/x"},
		{name: "single label", in: "a@localhost", want: "a@localhost"},
		{name: "underscore", in: "a@my_service", want: "a@my_service"},
		{name: "leading underscore", in: "_a._tcp.example", want: "_a._tcp.example"},
		{name: "underscore in a U-label", in: "b\u00fc_cher.example", err: ErrDomainInvalid},
		{name: "trailing dot", in: "a@example.com./r", want: "a@example.com/r"},
		{name: "two trailing dots", in: "a@example.com..", err: ErrDomainInvalid},
		{name: "dot alone", in: ".", err: ErrDomainInvalid},
		{name: "ideographic dot alone", in: "\u3002", err: ErrDomainInvalid},
		{name: "ideographic trailing dot", in: "example\u3002com\u3002", want: "example.com"},
		{name: "leading dot", in: ".example", err: ErrDomainInvalid},
		{name: "hyphen first", in: "-a.example", err: ErrDomainInvalid},
		{name: "hyphen last", in: "a-.example", err: ErrDomainInvalid},
		{name: "reserved label", in: "ab--c.example", err: ErrDomainInvalid},
		{name: "ipv4", in: "a@192.0.2.1", want: "a@192.0.2.1"},
		{name: "ipv6", in: "a@[2001:DB8::0:1]/r", want: "a@[2001:db8::1]/r"},
		{name: "ipv6 loopback", in: "[::1]", want: "[::1]"},
		{name: "ipv6 with ipv4", in: "[::ffff:192.0.2.1]", want: "[::ffff:192.0.2.1]"},
		{name: "ipv6 zone", in: "[fe80::1%eth0]", err: ErrDomainInvalid},
		{name: "ipv6 unclosed", in: "[::1", err: ErrDomainInvalid},
		{name: "ipv6 bare", in: "::1", err: ErrDomainInvalid},
		{name: "ipv4 in brackets", in: "[192.0.2.1]", err: ErrDomainInvalid},
		{name: "ipv future", in: "[v1.a]", err: ErrDomainInvalid},
		{name: "bracket alone", in: "[", err: ErrDomainInvalid},
		{name: "port", in: "a@example.com:5222", err: ErrDomainInvalid},
		{name: "a-label", in: "a@xn--bcher-kva.example", want: "a@b\u00fccher.example"},
		{name: "a-label in upper case", in: "a@XN--BCHER-KVA.example", want: "a@b\u00fccher.example"},
		{name: "a-label that is none", in: "xn--.example", err: ErrDomainInvalid},
		{name: "a-label of ascii", in: "xn--abc-.example", err: ErrDomainInvalid},
		{name: "u-label in upper case", in: "B\u00dcCHER.example", want: "b\u00fccher.example"},
		{name: "u-label not composed", in: "bu\u0308cher.example", want: "b\u00fccher.example"},
		{name: "sharp s is kept", in: "fa\u00df.example", want: "fa\u00df.example"},
		{name: "fullwidth domain", in: "\uff45xample.com", want: "example.com"},
		{name: "fullwidth at in domain", in: "a\uff20b.example", err: ErrDomainInvalid},
		{name: "symbol in domain", in: "\u2603.example", err: ErrDomainInvalid},
		{name: "symbol as a-label", in: "xn--n3h.example", err: ErrDomainInvalid},
		{name: "hebrew domain", in: "\u05d0\u05d1.example", want: "\u05d0\u05d1.example"},
		{name: "mixed direction label", in: "a\u05d0.example", err: ErrDomainInvalid},
		{name: "two ats", in: "a@b@c", err: ErrDomainInvalid},
		{name: "slash only", in: "/", err: ErrResourceEmpty},
		{name: "empty", in: "", err: ErrDomainEmpty},
		{name: "empty local", in: "@example", err: ErrLocalEmpty},
		{name: "empty resource", in: "a@example/", err: ErrResourceEmpty},
		{name: "slash in resource", in: "a@example//", want: "a@example//"},
		{name: "space before", in: " a@example", err: ErrLocalInvalid},
		{name: "space after", in: "a@example ", err: ErrDomainInvalid},
		{name: "fullwidth local", in: "\uff21b@example", want: "ab@example"},
		{name: "fullwidth at in local", in: "a\uff20b@example", err: ErrLocalInvalid},
		{name: "fullwidth slash in local", in: "a\uff0fb@example", err: ErrLocalInvalid},
		{name: "local not composed", in: "U\u0308@example", want: "\u00fc@example"},
		{name: "local mixed direction", in: "a\u05d0@example", err: ErrLocalInvalid},
		{name: "local not utf-8", in: "a\xff@example", err: ErrLocalInvalid},
		{name: "domain not utf-8", in: "a@b\xff", err: ErrDomainInvalid},
		{name: "resource not utf-8", in: "a@b/\xff", err: ErrResourceInvalid},
		{name: "replacement character in resource", in: "a@b/\ufffd", want: "a@b/\ufffd"},
		{name: "resource not composed", in: "a@b/u\u0308", want: "a@b/\u00fc"},
		{name: "resource keeps width", in: "a@b/\uff21", want: "a@b/\uff21"},
		{name: "other space in resource", in: "a@b/x\u00a0y", want: "a@b/x y"},
		{name: "control in resource", in: "a@b/x\ty", err: ErrResourceInvalid},
		{name: "control in local", in: "a\x7f@b", err: ErrLocalInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j, err := Parse(test.in)
			if err != test.err || j.String() != test.want {
				t.Fatalf("Parse(%q) = %q, %v; want %q, %v", test.in, j, err, test.want, test.err)
			}
		})
	}
}

// RFC 7622 section 3.3.1.
func TestExcluded(t *testing.T) {
	for _, c := range "\"&'/:<>@" {
		if j, err := New("a"+string(c)+"b", "example", ""); err == nil {
			t.Errorf("%q accepted in a local part: %q", c, j)
		}
	}
}

func TestLimits(t *testing.T) {
	labels := strings.Repeat(strings.Repeat("a", 63)+".", 15) + strings.Repeat("a", 63) // 1023
	tests := []struct {
		name                    string
		local, domain, resource string
		err                     error
	}{
		{"local at", strings.Repeat("a", 1023), "b", "", nil},
		{"local over", strings.Repeat("a", 1024), "b", "", ErrLocalLong},
		{"domain at", "", labels, "", nil},
		{"domain over", "", labels[1:] + ".b", "", ErrDomainLong},
		{"domain at, with its dot", "", labels + ".", "", nil},
		{"label at", "", strings.Repeat("a", 63), "", nil},
		{"label over", "", strings.Repeat("a", 64), "", ErrDomainInvalid},
		{"u-label at", "", strings.Repeat("a", 55) + "\u00fc", "", nil},
		{"u-label over", "", strings.Repeat("a", 56) + "\u00fc", "", ErrDomainInvalid},
		{"resource at", "", "b", strings.Repeat("a", 1023), nil},
		{"resource over", "", "b", strings.Repeat("a", 1024), ErrResourceLong},
		{"all at", strings.Repeat("a", 1023), labels, strings.Repeat("a", 1023), nil},
		{"local at, two bytes each", strings.Repeat("\u00e4", 511), "b", "", nil},
		{"local over, two bytes each", strings.Repeat("\u00e4", 512), "b", "", ErrLocalLong},
		{"local at after mapping", strings.Repeat("\uff41", 1023), "b", "", nil},
		{"local over after mapping", strings.Repeat("\uff41", 1024), "b", "", ErrLocalLong},
		{"resource at, two bytes each", "", "b", strings.Repeat("\u00e4", 511), nil},
		{"resource over, two bytes each", "", "b", strings.Repeat("\u00e4", 512), ErrResourceLong},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := New(test.local, test.domain, test.resource); err != test.err {
				t.Fatalf("error %v, want %v", err, test.err)
			}
		})
	}
}

func TestAccessors(t *testing.T) {
	tests := []struct {
		in                     string
		bare, host             string
		isBare, isFull, isHost bool
	}{
		{"", "", "", false, false, false},
		{"a@b/c", "a@b", "b", false, true, false},
		{"a@b", "a@b", "b", true, false, false},
		{"b/c", "b", "b", false, true, false},
		{"b", "b", "b", true, false, true},
	}
	for _, test := range tests {
		var j JID
		if test.in != "" {
			j = MustParse(test.in)
		}
		if j.Bare().String() != test.bare || j.Host().String() != test.host {
			t.Errorf("%q: bare %q, host %q", test.in, j.Bare(), j.Host())
		}
		if j.IsZero() != (test.in == "") || j.IsBare() != test.isBare || j.IsFull() != test.isFull || j.IsHost() != test.isHost {
			t.Errorf("%q: zero %v, bare %v, full %v, host %v", test.in, j.IsZero(), j.IsBare(), j.IsFull(), j.IsHost())
		}
		// One address, one value: it is a map key however it was come by.
		if test.in != "" && (j.Bare() != MustParse(test.bare) || j.Host() != MustParse(test.host)) {
			t.Errorf("%q: derived addresses differ from parsed ones", test.in)
		}
	}
}

func TestWithResource(t *testing.T) {
	j := MustParse("a@b/c")
	for _, test := range []struct {
		resource, want string
		err            error
	}{
		{"d", "a@b/d", nil},
		{"d/e@f", "a@b/d/e@f", nil},
		{"", "a@b", nil},
		{"\n", "", ErrResourceInvalid},
		{strings.Repeat("x", 1024), "", ErrResourceLong},
	} {
		got, err := j.WithResource(test.resource)
		if err != test.err || got.String() != test.want {
			t.Errorf("%q: %q, %v", test.resource, got, err)
		}
		if err == nil && got != MustParse(test.want) {
			t.Errorf("%q: not equal to the parsed one", test.resource)
		}
	}
	if _, err := (JID{}).WithResource("x"); err != ErrDomainEmpty {
		t.Errorf("no address took a resource: %v", err)
	}
}

func TestCache(t *testing.T) {
	var c Cache
	if got, err := c.Get(nil); err == nil { // an unused place is no hit
		t.Fatalf("nothing: accepted as %q", got)
	}
	for range 3 {
		for _, raw := range []string{"a@b/c", "A@B/c", "b", "xn--bcher-kva.example", strings.Repeat("l", 1000) + "@b"} {
			got, err := c.Get([]byte(raw))
			if err != nil || got != MustParse(raw) {
				t.Fatalf("%q: %q, %v", raw, got, err)
			}
		}
		for _, raw := range []string{"", "@", "a@b/", strings.Repeat("l", 2000)} {
			if got, err := c.Get([]byte(raw)); err == nil {
				t.Fatalf("%q: accepted as %q", raw, got)
			}
		}
	}
}

// The cache must not see a later change of the buffer it was given.
func TestCacheCopies(t *testing.T) {
	var c Cache
	raw := []byte("a@b/c")
	j, err := c.Get(raw)
	if err != nil {
		t.Fatal(err)
	}
	copy(raw, "x@y/z")
	if j.String() != "a@b/c" {
		t.Fatalf("the address changed to %q", j)
	}
	if again, _ := c.Get([]byte("a@b/c")); again != j {
		t.Fatalf("the cached address is %q", again)
	}
}

func TestAllocations(t *testing.T) {
	var c Cache
	raw := []byte("juliet@example.com/balcony")
	j, err := c.Get(raw)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		limit float64
		run   func()
	}{
		{"cache hit", 0, func() { c.Get(raw) }},
		{"parse", 1, func() { Parse("juliet@example.com/balcony") }},
		{"refuse", 0, func() { Parse("jul iet@example.com/balcony") }},
		{"accessors", 0, func() { _, _, _ = j.Bare().String(), j.Host().String(), j.Local()+j.Domain()[:0]+j.Resource()[:0] }},
	}
	for _, test := range tests {
		if n := testing.AllocsPerRun(100, test.run); n > test.limit {
			t.Errorf("%s: %v allocations, at most %v are allowed", test.name, n, test.limit)
		}
	}
}

// The profiles are shared by all goroutines: for the race detector.
func TestParallel(t *testing.T) {
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				if j := MustParse("\u03a3x\uff41@B\u00dccher.example/\u00e4\u00a0b"); j.String() != "\u03c3xa@b\u00fccher.example/\u00e4 b" {
					t.Errorf("got %q", j)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		Parse("juliet@example.com/balcony")
	}
}

func BenchmarkCacheHit(b *testing.B) {
	var c Cache
	raw := []byte("juliet@example.com/balcony")
	for b.Loop() {
		c.Get(raw)
	}
}

func BenchmarkParseUnicode(b *testing.B) {
	for b.Loop() {
		Parse("j\u00fcliet@ex\u00e4mple.com/b\u00e4lcony")
	}
}
