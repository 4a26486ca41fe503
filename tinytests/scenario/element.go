package scenario

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Namespaces that the language itself knows.
const (
	nsClient  = "jabber:client"
	nsStream  = "http://etherx.jabber.org/streams"
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsStreams = "urn:ietf:params:xml:ns:xmpp-streams"
	nsSM      = "urn:xmpp:sm:3"
	nsPing    = "urn:xmpp:ping"
	nsXML     = "http://www.w3.org/XML/1998/namespace"
)

// footer is the name of the Element that stands for </stream:stream>.
const footer = "/stream"

// Element is one XML element, received or written as a pattern.
type Element struct {
	Name  xml.Name
	Attrs []xml.Attr // without namespace declarations; prefixed ones carry their namespace
	Kids  []*Element
	Text  string // own character data, joined
	Open  bool   // a pattern that contains "...": more may be there
	raw   string
}

// Attr returns an attribute without a namespace, "" when absent.
func (e *Element) Attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// Kid returns the first child of that name, or nil. It may be called on nil.
func (e *Element) Kid(space, local string) *Element {
	if e == nil {
		return nil
	}
	for _, k := range e.Kids {
		if k.is(space, local) {
			return k
		}
	}
	return nil
}

func (e *Element) is(space, local string) bool {
	return e.Name.Space == space && e.Name.Local == local
}

func (e *Element) stanza() bool {
	return e.Name.Space == nsClient && (e.Name.Local == "message" || e.Name.Local == "presence" || e.Name.Local == "iq")
}

func newElement(t xml.StartElement) *Element {
	e := &Element{Name: t.Name}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		if a.Name.Space == "xml" {
			a.Name.Space = nsXML
		}
		e.Attrs = append(e.Attrs, a)
	}
	return e
}

// readElement reads up to the end of the element whose start was just read.
func readElement(d *xml.Decoder, start xml.StartElement) (*Element, error) {
	e := newElement(start)
	for {
		tok, err := d.Token()
		if err != nil {
			return e, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			kid, err := readElement(d, t)
			e.Kids = append(e.Kids, kid)
			if err != nil {
				return e, err
			}
		case xml.CharData:
			e.Text += string(t)
		case xml.EndElement:
			return e, nil
		}
	}
}

// parsePatterns reads the elements of an expectation. An opening stream tag may stand alone.
func parsePatterns(s string) ([]*Element, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "<?xml") {
		if _, rest, ok := strings.Cut(s, "?>"); ok {
			s = strings.TrimSpace(rest)
		}
	}
	if s == "</stream:stream>" {
		return []*Element{{Name: xml.Name{Space: nsStream, Local: footer}, raw: s}}, nil
	}
	text := s
	if strings.HasPrefix(s, "<stream:stream") && !strings.Contains(s, "</stream:stream>") {
		tag, rest, _ := strings.Cut(s, ">")
		text = strings.TrimSuffix(tag, "/") + "/>" + rest
	}
	d := xml.NewDecoder(strings.NewReader("<x xmlns='" + nsClient + "' xmlns:stream='" + nsStream + "'>" + text + "</x>"))
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	root, err := readElement(d, tok.(xml.StartElement))
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("pattern: text after its end")
	}
	if strings.TrimSpace(root.Text) != "" {
		return nil, fmt.Errorf("pattern: text %q outside an element", strings.TrimSpace(root.Text))
	}
	for _, k := range root.Kids {
		k.raw = s
		k.prepare()
	}
	return root.Kids, nil
}

// prepare finds the "..." of a pattern and drops the white space that lays it out.
func (e *Element) prepare() {
	if t := strings.TrimSpace(e.Text); len(e.Kids) > 0 || strings.Contains(t, "...") {
		if rest, ok := strings.CutSuffix(t, "..."); ok {
			e.Open, t = true, strings.TrimSpace(rest)
		} else if rest, ok := strings.CutPrefix(t, "..."); ok {
			e.Open, t = true, strings.TrimSpace(rest)
		}
		e.Text = t
	}
	for _, k := range e.Kids {
		k.prepare()
	}
}

// String shows an element the way the wire had it, or as the pattern was written.
func (e *Element) String() string {
	if e.raw != "" {
		return e.raw
	}
	var b strings.Builder
	e.write(&b, nsClient)
	return b.String()
}

func (e *Element) write(b *strings.Builder, space string) {
	fmt.Fprintf(b, "<%s", e.Name.Local)
	if e.Name.Space != space {
		fmt.Fprintf(b, " xmlns='%s'", e.Name.Space)
	}
	for _, a := range e.Attrs {
		name := a.Name.Local
		if a.Name.Space == nsXML {
			name = "xml:" + name
		}
		fmt.Fprintf(b, " %s='%s'", name, a.Value)
	}
	if len(e.Kids) == 0 && e.Text == "" && !e.Open {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	for _, k := range e.Kids {
		k.write(b, e.Name.Space)
	}
	if e.Open {
		b.WriteString("...")
	}
	fmt.Fprintf(b, "%s</%s>", e.Text, e.Name.Local)
}
