package stanza

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

var headers = []string{clientTag, germanTag, serverTag, componentTag, prefixedTag, noneTag}

// FuzzStanza: a stanza means the same wherever it stands, whatever it was read from, and
// encoding/xml can read it.
func FuzzStanza(f *testing.F) {
	for n := range headers {
		f.Add(byte(n), []byte("<message to='a@b' type='chat' id='1'><body>x</body><a xmlns='u'/></message>"))
		f.Add(byte(n), []byte("<c:message xmlns:x='urn:x'><c:body>x</c:body><x:a><b x:c='d'/></x:a></c:message>"))
		f.Add(byte(n), []byte("<message xmlns='jabber:client' xmlns:c='jabber:client'><c:body/><body xmlns='jabber:client'/><a xmlns=''><c:b/></a></message>"))
		f.Add(byte(n), []byte("<iq type='get' id='&apos;' xml:lang='en'><query xmlns='jabber:iq:roster'/></iq>"))
	}
	f.Fuzz(func(t *testing.T, which byte, element []byte) {
		header := headers[int(which)%len(headers)]
		var sc xmlstream.Scanner
		if _, _, err := sc.Scan([]byte(header)); err != nil {
			t.Fatal(err)
		}
		buf := slices.Clone(element)
		ev, n, err := sc.Scan(buf)
		if ev != xmlstream.EventElement || err != nil {
			return
		}
		s, bad, err := Read(sc.Element(), nil, jid.JID{})
		if err != nil || bad != nil && bad.Condition == PolicyViolation {
			return
		}
		for i := range buf {
			buf[i] = '#'
		}
		checkForms(t, s)

		// The header's tag makes an element around the stanza, so that the whole can be read as a
		// tree.
		name, _, _ := strings.Cut(header[1:], " ")
		before, err := xmlstream.Parse([]byte(header+string(element[:n])+"</"+name+">"), "")
		if err != nil {
			t.Fatal(err)
		}
		out := s.AppendForwarded(nil)
		after, err := xmlstream.Parse(out, "")
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		var want, got []string
		for _, kid := range before.Kids[0].Kids {
			want = appendTokens(want, kid)
		}
		for _, kid := range after.Kids {
			got = appendTokens(got, kid)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s %s\nis       %q\nand then %q", header, element[:n], want, got)
		}
		for d := xml.NewDecoder(strings.NewReader(string(out))); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("encoding/xml refuses %s: %v", out, err)
			}
		}
	})
}

// appendTokens writes a tree out. The content namespaces are one: which of their elements become
// jabber:client is in xmlstream's tests.
func appendTokens(dst []string, n *xmlstream.Node) []string {
	space := n.Name.Space
	if space == xmlstream.ServerSpace || space == xmlstream.ComponentSpace {
		space = xmlstream.ClientSpace
	}
	dst = append(dst, fmt.Sprintf("<{%s}%s>", space, n.Name.Local))
	for _, a := range n.Attrs {
		dst = append(dst, fmt.Sprintf("{%s}%s=%q", a.Space, a.Local, a.Value))
	}
	for _, kid := range n.Kids {
		dst = appendTokens(dst, kid)
	}
	return append(dst, fmt.Sprintf("%q</%s>", n.Text, n.Name.Local))
}
