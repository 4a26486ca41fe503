package xmlstream

import "strings"

// The content namespaces of XMPP streams.
const (
	ClientSpace    = "jabber:client"           // RFC 6120
	ServerSpace    = "jabber:server"           // RFC 6120
	ComponentSpace = "jabber:component:accept" // XEP-0114
)

// Header is a stream's open tag.
type Header struct {
	To, From, ID, Version, Lang string // attributes as they came, unescaped; "" when absent
	// Content is the namespace of the stream's stanzas: what the header declares as default
	// namespace or, where that is none of the content namespaces, with a prefix. It is "" when
	// the header declares neither and each stanza has to (RFC 6120, 4.8.5).
	Content  string
	Prefix   string    // of the stream tag itself, "stream" as a rule, or ""
	Attrs    []Attr    // the other attributes, with their namespaces resolved
	Bindings []Binding // all namespace declarations
}

// Binding is a namespace declaration; Prefix is "" in that of the default namespace.
type Binding struct{ Prefix, Space string }

// Bound gives the namespace that the header binds to a prefix, or "".
func (h *Header) Bound(prefix string) string {
	for _, b := range h.Bindings {
		if b.Prefix == prefix {
			return b.Space
		}
	}
	return ""
}

// openStream takes in the stream header's tag. All of it that matters later is copied, for the
// bytes go.
func (s *Scanner) openStream(buf []byte, ns int, empty bool) bool {
	switch {
	case string(s.uriOf(buf, &s.bindings[ns])) != streamSpace:
		s.fail(InvalidNamespace, "not the namespace of streams")
		return false
	case string(s.tag.localOf(buf)) != "stream" || empty:
		s.fail(BadFormat, "not the open tag of a stream")
		return false
	case !s.prefixedAttributes(buf):
		return false
	}
	h := &s.header
	if s.tag.prefixed() {
		h.Prefix = string(s.tag.prefixOf(buf))
	}
	for n := range s.attrs {
		a := &s.attrs[n]
		if a.decl {
			continue
		}
		value := string(a.value.of(buf))
		if !a.plain {
			value = string(AppendUnescapedAttr(nil, a.value.of(buf)))
		}
		name := Name{Local: string(a.name.localOf(buf))}
		switch {
		case a.binding > 0:
			name.Space = string(s.uriOf(buf, &s.bindings[a.binding]))
		case a.name.prefixed():
			name.Space = xmlSpace
		}
		switch name {
		case Name{Local: "to"}:
			h.To = value
		case Name{Local: "from"}:
			h.From = value
		case Name{Local: "id"}:
			h.ID = value
		case Name{Local: "version"}:
			h.Version = value
		case Name{Space: xmlSpace, Local: "lang"}:
			h.Lang = value
		default:
			h.Attrs = append(h.Attrs, Attr{Name: name, Value: value})
		}
	}
	s.hold(buf)
	if !h.findContent() {
		s.fail(InvalidNamespace, "not a content namespace")
		return false
	}
	s.mode = inside
	s.settle()
	return true
}

// findContent finds the content namespace. A default namespace that is foreign to streams is not
// ok unless a prefix stands for the content namespace.
func (h *Header) findContent() (ok bool) {
	around := h.Bound("")
	if h.Content = contentSpace([]byte(around)); h.Content != "" {
		return true
	}
	for _, b := range h.Bindings {
		if h.Content = contentSpace([]byte(b.Space)); h.Content != "" {
			return true
		}
	}
	return around == "" || around == streamSpace
}

// hold copies the header's name and bindings out of the item.
func (s *Scanner) hold(buf []byte) {
	keep := func(b []byte) span {
		from := len(s.held)
		s.held = append(s.held, b...)
		return span{int32(from), int32(len(s.held))}
	}
	s.root = keep(s.tag.of(buf))
	for n := 1; n < len(s.bindings); n++ {
		b := &s.bindings[n]
		if !b.uriHeld {
			b.uri, b.uriHeld = keep(b.uri.of(buf)), true
		}
		b.prefix, b.prefixHeld = keep(b.prefix.of(buf)), true
		s.header.Bindings = append(s.header.Bindings, Binding{string(b.prefix.of(s.held)), string(b.uri.of(s.held))})
	}
}

// declaration checks the XML declaration (XML 1.0, production 23): version 1.0, and no encoding
// but UTF-8.
func (s *Scanner) declaration(b []byte) bool {
	rest, ok := strings.CutPrefix(string(b), "<?xml")
	if !ok || !startsWithSpace(rest) {
		s.fail(RestrictedXML, "processing instruction")
		return false
	}
	rest, ok = strings.CutSuffix(rest, "?>")
	if !ok {
		s.fail(NotWellFormed, "illegal XML declaration")
		return false
	}
	version, rest, ok := pseudoAttribute(rest, "version")
	if !ok || version != "1.0" {
		s.fail(NotWellFormed, "not XML 1.0")
		return false
	}
	encoding, rest, ok := pseudoAttribute(rest, "encoding")
	if ok && !strings.EqualFold(encoding, "utf-8") {
		s.fail(UnsupportedEncoding, "only UTF-8 is supported")
		return false
	}
	standalone, rest, ok := pseudoAttribute(rest, "standalone")
	if ok && standalone != "yes" && standalone != "no" || strings.Trim(rest, spaces) != "" {
		s.fail(NotWellFormed, "illegal XML declaration")
		return false
	}
	return true
}

func startsWithSpace(s string) bool { return s != "" && class[s[0]]&whiteSpace != 0 }

// pseudoAttribute takes ` name="value"` from the front of s; when it does not stand there, rest
// is s and ok is false.
func pseudoAttribute(s, name string) (value, rest string, ok bool) {
	if !startsWithSpace(s) {
		return "", s, false
	}
	t, ok := strings.CutPrefix(strings.TrimLeft(s, spaces), name)
	if !ok {
		return "", s, false
	}
	t, ok = strings.CutPrefix(strings.TrimLeft(t, spaces), "=")
	if t = strings.TrimLeft(t, spaces); !ok || t == "" || t[0] != '\'' && t[0] != '"' {
		return "", s, false
	}
	value, rest, ok = strings.Cut(t[1:], t[:1])
	if !ok {
		return "", s, false
	}
	return value, rest, true
}
