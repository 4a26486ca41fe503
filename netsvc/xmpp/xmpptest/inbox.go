package xmpptest

import (
	"slices"
	"strings"
	"sync"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// Inbox is what came for a Client or a Peer, in its order.
type Inbox struct {
	server *Server
	who    string

	mu  sync.Mutex
	got []*stanza.Stanza
}

func (i *Inbox) put(s *stanza.Stanza) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, s)
}

// Expect takes the next stanza, which must match the pattern, and returns it.
//
// A pattern is a stanza as a specification prints it: the order of attributes and
// of children does not matter, nor does white space around children. An
// attribute or a text of "*" matches anything. The stanza's 'id' and 'to', the
// text of an error, and xml:lang count only if the pattern has them.
func (i *Inbox) Expect(pattern string) *stanza.Stanza {
	i.server.t.Helper()
	got := i.next()
	if got == nil {
		i.server.t.Fatalf("%s got nothing, expected\n  %s", i.who, pattern)
	}
	if why := compare(pattern, got); why != "" {
		i.server.t.Fatalf("%s got\n  %s\nexpected\n  %s\n%s", i.who, text(got), pattern, why)
	}
	return got
}

// ExpectEach takes as many stanzas as there are patterns, which they must match in
// any order.
func (i *Inbox) ExpectEach(patterns ...string) {
	i.server.t.Helper()
	left := slices.Clone(patterns)
	for range patterns {
		got := i.next()
		if got == nil {
			i.server.t.Fatalf("%s got nothing more, expected\n  %s", i.who, strings.Join(left, "\n  "))
		}
		n := slices.IndexFunc(left, func(p string) bool { return compare(p, got) == "" })
		if n < 0 {
			i.server.t.Fatalf("%s got\n  %s\nexpected one of\n  %s", i.who, text(got), strings.Join(left, "\n  "))
		}
		left = slices.Delete(left, n, n+1)
	}
}

// Nothing fails the test if anything has come.
func (i *Inbox) Nothing() {
	i.server.t.Helper()
	if got := i.next(); got != nil {
		i.server.t.Fatalf("%s got\n  %s\nexpected nothing", i.who, text(got))
	}
}

// Skip takes everything that has come, whatever it is.
func (i *Inbox) Skip() []*stanza.Stanza {
	i.server.settle()
	i.mu.Lock()
	defer i.mu.Unlock()
	got := i.got
	i.got = nil
	return got
}

func (i *Inbox) next() *stanza.Stanza {
	i.server.settle()
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.got) == 0 {
		return nil
	}
	s := i.got[0]
	i.got = i.got[1:]
	return s
}

func text(s *stanza.Stanza) string { return string(s.AppendTo(nil)) }

// compare says how the stanza differs from the pattern, "" if it does not.
func compare(pattern string, s *stanza.Stanza) string {
	want, err := xmlstream.Parse([]byte(strings.TrimSpace(pattern)), xmlstream.ClientSpace)
	if err != nil {
		return "the pattern is no XML: " + err.Error()
	}
	got, err := xmlstream.Parse(s.AppendTo(nil), xmlstream.ClientSpace)
	if err != nil {
		return "the stanza is no XML: " + err.Error()
	}
	return differ(want, got, 0)
}

// differ compares two elements; depth 0 is the stanza itself.
func differ(want, got *xmlstream.Node, depth int) string {
	where := "<" + want.Name.Local + ">: "
	if want.Name != got.Name {
		return "<" + got.Name.Local + " xmlns='" + got.Name.Space + "'> is not <" + want.Name.Local + " xmlns='" + want.Name.Space + "'>"
	}
	for _, a := range want.Attrs {
		v, ok := attribute(got, a.Name)
		if !ok || a.Value != "*" && a.Value != v {
			return where + a.Name.Local + " is '" + v + "', not '" + a.Value + "'"
		}
	}
	for _, a := range got.Attrs {
		free := a.Name.Local == "lang" || depth == 0 && (a.Name.Local == "id" || a.Name.Local == "to")
		if _, ok := attribute(want, a.Name); !ok && !free {
			return where + a.Name.Local + "='" + a.Value + "' was not expected"
		}
	}
	wantText, gotText := want.Text, got.Text
	if len(want.Kids)+len(got.Kids) > 0 {
		wantText, gotText = strings.TrimSpace(wantText), strings.TrimSpace(gotText)
	}
	if wantText != "*" && wantText != gotText {
		return where + "the text is '" + gotText + "', not '" + wantText + "'"
	}
	left := slices.Clone(got.Kids)
	for _, kid := range want.Kids {
		why := where + "<" + kid.Name.Local + "> is missing"
		n := slices.IndexFunc(left, func(k *xmlstream.Node) bool {
			d := differ(kid, k, depth+1)
			if d != "" && k.Name == kid.Name {
				why = where + d
			}
			return d == ""
		})
		if n < 0 {
			return why
		}
		left = slices.Delete(left, n, n+1)
	}
	for _, kid := range left {
		if !kid.Is(stanzaErrors, "text") {
			return where + "<" + kid.Name.Local + "> was not expected"
		}
	}
	return ""
}

const stanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"

func attribute(n *xmlstream.Node, name xmlstream.Name) (string, bool) {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}
