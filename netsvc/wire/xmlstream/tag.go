package xmlstream

import "bytes"

// binding is one namespace declaration in force: a prefix, empty for the default namespace, and what it stands for.
type binding struct {
	prefix, uri span
	prefixHeld  bool // prefix lies in Scanner.held, not in the item
	uriHeld     bool
}

const (
	xmlSpace    = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace  = "http://www.w3.org/2000/xmlns/"
	streamSpace = "http://etherx.jabber.org/streams"
)

// ground declares the empty default namespace that everything starts from.
func (s *Scanner) ground() {
	s.bindings = append(s.bindings[:0], binding{prefixHeld: true, uriHeld: true})
	s.defaultN = 0
}

// settle makes what is in force and held now last for the whole stream.
func (s *Scanner) settle() {
	s.settled.bindings, s.settled.held, s.settled.defaultN = len(s.bindings), len(s.held), s.defaultN
}

func (s *Scanner) prefixOf(buf []byte, b *binding) []byte {
	if b.prefixHeld {
		buf = s.held
	}
	return b.prefix.of(buf)
}

func (s *Scanner) uriOf(buf []byte, b *binding) []byte {
	if b.uriHeld {
		buf = s.held
	}
	return b.uri.of(buf)
}

// lookup finds the binding of a prefix, or -1.
func (s *Scanner) lookup(buf, prefix []byte) int {
	for n := len(s.bindings) - 1; n > 0; n-- {
		if bytes.Equal(s.prefixOf(buf, &s.bindings[n]), prefix) {
			return n
		}
	}
	return -1
}

// attribute takes in the attribute whose value just ended. A namespace declaration is in force at once: it holds for the
// tag's own names, which are resolved when the tag ends.
func (s *Scanner) attribute(buf []byte) bool {
	a := &s.attr
	mine := s.attrs[s.base:]
	if len(mine) >= s.limits.Attrs {
		s.fail(PolicyViolation, "too many attributes")
		return false
	}
	name := a.name.of(buf)
	for n := range mine {
		if bytes.Equal(mine[n].name.of(buf), name) {
			s.fail(NotWellFormed, "duplicate attribute")
			return false
		}
	}
	prefix := prefixIn(buf, a.tagName)
	switch {
	case prefix == nil && string(name) == "xmlns":
		a.decl = true
		if !s.bind(buf, span{}) {
			return false
		}
		s.defaultN = len(s.bindings) - 1
	case string(prefix) == "xmlns":
		a.decl = true
		if !s.bind(buf, span{a.local, a.name.to}) {
			return false
		}
	}
	s.attrs = append(s.attrs, *a)
	return true
}

// prefixIn gives the prefix of a name, nil when it has none.
func prefixIn(buf []byte, t tagName) []byte {
	if t.local == t.name.from {
		return nil
	}
	return buf[t.name.from : t.local-1]
}

// bind declares the namespace that the value of s.attr names. The rules are those of Namespaces in XML 1.0, section 3.
func (s *Scanner) bind(buf []byte, prefix span) bool {
	b := binding{prefix: prefix, uri: s.attr.value}
	if !s.attr.plain {
		from := len(s.held)
		s.held = AppendUnescapedAttr(s.held, s.attr.value.of(buf))
		b.uri, b.uriHeld = span{int32(from), int32(len(s.held))}, true
	}
	uri := s.uriOf(buf, &b)
	name := prefix.of(buf)
	switch {
	case string(name) == "xml" && string(uri) == xmlSpace: // legal, and says nothing new
	case string(name) == "xml", string(name) == "xmlns", string(uri) == xmlSpace, string(uri) == xmlnsSpace:
		s.fail(BadNamespacePrefix, "reserved namespace")
		return false
	case len(name) > 0 && len(uri) == 0:
		s.fail(BadNamespacePrefix, "prefix of no namespace")
		return false
	}
	if len(s.bindings) > s.limits.Bindings { // [0] does not count
		s.fail(PolicyViolation, "too many namespace declarations")
		return false
	}
	s.bindings = append(s.bindings, b)
	return true
}

// resolve finds the binding that a name's prefix stands for; -1 is the prefix "xml".
func (s *Scanner) resolve(buf []byte, prefix []byte) (n int, ok bool) {
	if string(prefix) == "xml" {
		return -1, true
	}
	if n = s.lookup(buf, prefix); n < 0 {
		s.fail(BadNamespacePrefix, "prefix that is not declared")
		return 0, false
	}
	return n, true
}

// startTag takes in the start tag that ends before end.
func (s *Scanner) startTag(buf []byte, end int, empty bool) bool {
	prefix := prefixIn(buf, s.tag)
	ns := s.defaultN
	if prefix != nil {
		var ok bool
		if ns, ok = s.resolve(buf, prefix); !ok {
			return false
		}
		if ns < 0 {
			s.fail(BadNamespacePrefix, "element in a reserved namespace")
			return false
		}
	}
	if s.mode == fresh {
		return s.openStream(buf, ns, empty)
	}
	return s.openElement(buf, ns, end, empty)
}

// openElement goes one level down, and up again when the tag is an empty-element tag.
func (s *Scanner) openElement(buf []byte, ns, end int, empty bool) bool {
	if s.depth >= s.limits.Depth {
		s.fail(PolicyViolation, "too many elements within each other")
		return false
	}
	s.depth++
	switch s.depth {
	case 1:
		s.el.tag, s.el.binding = s.tag, ns
		s.el.outer, s.el.defaultN = len(s.bindings), s.defaultN
	case 2:
		if len(s.el.kids) >= s.limits.Kids {
			s.fail(PolicyViolation, "too many child elements")
			return false
		}
		b := &s.bindings[ns]
		s.el.kids = append(s.el.kids, Kid{from: int32(s.lt), tag: s.tag, binding: int32(ns), uri: b.uri, uriHeld: b.uriHeld})
		fallthrough
	default:
		s.use(ns)
	}
	if !s.prefixedAttributes(buf) {
		return false
	}
	s.el.elements++
	s.el.attributes += len(s.attrs) - s.base
	s.open = append(s.open, frame{name: s.tag.name, bindings: int32(s.outerN), defaultN: int32(s.outerDefault)})
	if s.depth == 1 {
		s.el.attrs = len(s.attrs)
	} else {
		s.attrs = s.attrs[:s.base]
	}
	if empty {
		s.endTag(end)
	}
	return true
}

// use notes that a child element, or something within it, needs a binding made outside of it.
func (s *Scanner) use(n int) {
	if n < s.el.outer {
		s.el.kids[len(s.el.kids)-1].uses |= 1 << uint(n)
	}
}

// prefixedAttributes resolves the prefixes of the tag's attributes and refuses two with the same expanded name (two with the
// same name as written have been refused before).
func (s *Scanner) prefixedAttributes(buf []byte) bool {
	mine := s.attrs[s.base:]
	for n := range mine {
		a := &mine[n]
		if a.decl || a.local == a.name.from {
			continue
		}
		ns, ok := s.resolve(buf, prefixIn(buf, a.tagName))
		if !ok {
			return false
		}
		if ns < 0 {
			continue
		}
		if s.depth > 1 {
			s.use(ns)
		}
		a.binding = int32(ns)
		for m := range mine[:n] {
			b := &mine[m]
			if b.binding > 0 && bytes.Equal(localOf(buf, a.tagName), localOf(buf, b.tagName)) &&
				bytes.Equal(s.uriOf(buf, &s.bindings[ns]), s.uriOf(buf, &s.bindings[b.binding])) {
				s.fail(NotWellFormed, "duplicate attribute")
				return false
			}
		}
	}
	return true
}

func localOf(buf []byte, t tagName) []byte { return buf[t.local:t.name.to] }

// openName gives the name that the next end tag has to carry; nil when none is open.
func (s *Scanner) openName(buf []byte) []byte {
	switch {
	case s.depth > 0:
		return s.open[s.depth-1].name.of(buf)
	case s.mode == inside:
		return s.root.of(s.held)
	}
	return nil
}

// endTag goes one level up. What a first-level element declared stays until the next item: its reader needs it.
func (s *Scanner) endTag(end int) {
	s.depth--
	f := s.open[s.depth]
	s.open = s.open[:s.depth]
	switch s.depth {
	case 0:
		return
	case 1:
		s.el.kids[len(s.el.kids)-1].to = int32(end)
	}
	s.bindings = s.bindings[:f.bindings]
	s.defaultN = int(f.defaultN)
}
