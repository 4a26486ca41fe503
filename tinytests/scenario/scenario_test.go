package scenario

import (
	"errors"
	"flag"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"linnet/appliance/features"
	"linnet/netsvc/module"
	"linnet/netsvc/xmpp"
)

var (
	live      = flag.String("live", "", "run against the server at HOST:PORT (a port with STARTTLS, or without TLS)")
	liveTLS   = flag.String("live-tls", "", "HOST:PORT of its direct TLS, where it has one")
	livePlain = flag.String("live-plain", "", "HOST:PORT of a port without TLS, where it has one")
	domain    = flag.String("domain", "", "its domain, when that is not HOST")
	program   = flag.String("program", "", "run against this linnet binary, started for each scenario")
	liveCtl   = flag.String("live-ctl", "", "a program that runs ctl lines on it")
)

// files lists the scenarios below this folder.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".txtar") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func parseFile(t *testing.T, path string) *Script {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(path, data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every scenario says what it shows and where that is written.
func TestScenariosNameTheirSpecification(t *testing.T) {
	for _, path := range files(t) {
		s := parseFile(t, path)
		if s.Title == "" || len(s.Specs) == 0 {
			t.Errorf("%s: the opening comment says what is shown and names an RFC or XEP", path)
		}
	}
}

// TestNode plays every scenario against a node of its own in this process.
func TestNode(t *testing.T) {
	if *live != "" || *program != "" {
		t.Skip("another kind of server was asked for")
	}
	each(t, func(t *testing.T, s *Script) (Server, func() string) {
		n, err := StartNode(t.TempDir(), s.Config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n, n.Log
	})
}

// TestProgram plays every scenario against a process of its own; here the server can be killed.
func TestProgram(t *testing.T) {
	if *program == "" {
		t.Skip("no -program FILE")
	}
	binary, err := filepath.Abs(*program)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, s *Script) (Server, func() string) {
		p, err := StartProgram(binary, t.TempDir(), s.Config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		return p, p.Log
	})
}

// needed names the optional features without which a scenario cannot be played: those of its folder, of its
// configuration, and of the verbs that use them.
func needed(path string, s *Script) []string {
	var names []string
	switch dir := strings.Split(filepath.ToSlash(path), "/"); dir[0] {
	case "mod":
		names = append(names, dir[1])
	case "roster", "presence":
		names = append(names, "roster", "presence")
	case "delivery":
		names = append(names, "presence", "offline")
	}
	for _, f := range features.Table { // those that its configuration has a section of
		if strings.Contains(s.Config, "["+f.Section+"]") {
			names = append(names, f.Name)
		}
	}
	for _, st := range s.steps {
		switch st.do.verb {
		case "accounts", "ctl", "ctl-fails":
			names = append(names, "admin")
		case "online":
			names = append(names, "presence")
		case "friends":
			names = append(names, "roster", "presence")
		}
		for text, name := range map[string]string{"urn:xmpp:ping": "ping", "jabber:iq:roster": "roster", "urn:xmpp:mam:2": "archive"} {
			if strings.Contains(st.text, text) {
				names = append(names, name)
			}
		}
	}
	return names
}

// missing returns the first feature that a scenario needs and that this build was made without.
func missing(path string, s *Script) string {
	for _, name := range needed(path, s) {
		for _, f := range features.Table {
			if f.Name == name && !linked(f) {
				return name
			}
		}
	}
	return ""
}

// linked reports whether a feature is in this build: an extension or a service has registered itself.
func linked(f features.Feature) bool {
	return slices.ContainsFunc(xmpp.All(), func(i xmpp.Info) bool { return i.Name == f.Name }) ||
		slices.ContainsFunc(module.All(), func(i module.Info) bool { return i.Name == f.Name })
}

func each(t *testing.T, start func(*testing.T, *Script) (Server, func() string)) {
	for _, path := range files(t) {
		t.Run(strings.TrimSuffix(path, ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := parseFile(t, path)
			if f := missing(path, s); f != "" {
				t.Skip("this build is without " + f)
			}
			server, log := start(t, s)
			check(t, Run(s, server))
			if t.Failed() || strings.Contains(log(), "panic") {
				t.Errorf("the server's log:\n%s", log())
			}
		})
	}
}

// TestLive plays the scenarios against a server that somebody else started; it needs registration in-band.
func TestLive(t *testing.T) {
	if *live == "" {
		t.Skip("no -live HOST:PORT")
	}
	host, _, err := net.SplitHostPort(*live)
	if err != nil {
		t.Fatal(err)
	}
	if *domain != "" {
		host = *domain
	}
	server := &Live{Host: host, Addr: *live, TLSAddr: *liveTLS, PlainAddr: *livePlain, CtlBinary: *liveCtl}
	for _, path := range files(t) {
		s := parseFile(t, path)
		t.Run(strings.TrimSuffix(path, ".txtar"), func(t *testing.T) {
			if s.Config != "" {
				t.Skip("needs a configuration of its own")
			}
			check(t, Run(s, server))
		})
	}
}

// check reports how a scenario went. What a server cannot do by its nature is not its failure.
func check(t *testing.T, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrSkip):
		t.Skip(strings.SplitN(err.Error(), "\n", 2)[0])
	case err != nil:
		t.Error(err)
	}
}
