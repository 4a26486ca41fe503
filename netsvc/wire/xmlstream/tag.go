package xmlstream

import "bytes"

const (
	xmlSpace    = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace  = "http://www.w3.org/2000/xmlns/"
	streamSpace = "http://etherx.jabber.org/streams"
)

// binding is one namespace declaration in force.
type binding struct {
	prefix     span // empty for the default namespace
	uri        span // empty for no namespace, with an empty prefix only
	prefixHeld bool // prefix is in Scanner.held, and not in the item
	uriHeld    bool
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

// ground declares the empty default namespace that all starts from.
func (s *Scanner) ground() {
	// One step for what would grow in several.
	const usual = 8
	if cap(s.bindings) == 0 {
		s.bindings = make([]binding, 0, usual)
	}
	if cap(s.open) == 0 {
		s.open, s.attrs, s.el.kids = make([]frame, 0, usual), make([]attribute, 0, usual), make([]Kid, 0, usual)
	}
	s.bindings = append(s.bindings[:0], binding{prefixHeld: true, uriHeld: true})
	s.defaultSpace = 0
}

// settle makes what is in force and held last for the whole stream.
func (s *Scanner) settle() {
	s.settled.bindings, s.settled.defaultSpace, s.settled.held = len(s.bindings), s.defaultSpace, len(s.held)
}

// attribute takes in the attribute whose value just ended. A declaration is in force at once, for
// names are resolved when their tag ends.
func (s *Scanner) attribute(buf []byte) bool {
	a, mine := &s.attr, s.attrs[s.base:]
	if len(mine) >= s.limits.Attrs {
		s.fail(PolicyViolation, "too many attributes")
		return false
	}
	name := a.name.of(buf)
	for n := range mine {
		if have := mine[n].name; have.to-have.from == int32(len(name)) && bytes.Equal(have.of(buf), name) {
			s.fail(NotWellFormed, "duplicate attribute")
			return false
		}
	}
	switch {
	case a.name.prefixed() && string(a.name.prefixOf(buf)) == "xmlns":
		a.decl = true
		if !s.declare(buf, span{a.name.local, a.name.to}) {
			return false
		}
	case string(name) == "xmlns":
		a.decl = true
		if !s.declare(buf, span{}) {
			return false
		}
		s.defaultSpace = len(s.bindings) - 1
	}
	s.attrs = append(s.attrs, *a)
	return true
}

// declare puts the namespace that the value of s.attr names in force, by the rules of Namespaces
// in XML 1.0, 3.
func (s *Scanner) declare(buf []byte, prefix span) bool {
	b := binding{prefix: prefix, uri: s.attr.value}
	if !s.attr.plain {
		from := len(s.held)
		s.held = AppendUnescapedAttr(s.held, s.attr.value.of(buf))
		b.uri, b.uriHeld = span{int32(from), int32(len(s.held))}, true
	}
	name, uri := string(prefix.of(buf)), s.uriOf(buf, &b)
	switch {
	case (name == "xml") != (string(uri) == xmlSpace), name == "xmlns", string(uri) == xmlnsSpace:
		s.fail(BadNamespacePrefix, "reserved prefix or namespace")
		return false
	case name != "" && len(uri) == 0:
		s.fail(BadNamespacePrefix, "prefix for no namespace")
		return false
	case len(s.bindings) > s.limits.Bindings: // [0] does not count
		s.fail(PolicyViolation, "too many namespace declarations")
		return false
	}
	s.bindings = append(s.bindings, b)
	return true
}

// resolve finds the binding that a name's prefix stands for, the innermost first. It is 0 for the
// prefix "xml", which needs none.
func (s *Scanner) resolve(buf, prefix []byte) (n int, ok bool) {
	if string(prefix) == "xml" {
		return 0, true
	}
	for n = len(s.bindings) - 1; n > 0; n-- {
		if bytes.Equal(s.prefixOf(buf, &s.bindings[n]), prefix) {
			return n, true
		}
	}
	s.fail(BadNamespacePrefix, "prefix that is not declared")
	return 0, false
}

// startTag takes in the start tag that ends before end.
func (s *Scanner) startTag(buf []byte, end int, empty bool) bool {
	ns := s.defaultSpace
	if s.tag.prefixed() {
		var ok bool
		if ns, ok = s.resolve(buf, s.tag.prefixOf(buf)); !ok {
			return false
		}
		if ns == 0 {
			s.fail(BadNamespacePrefix, "element in a reserved namespace")
			return false
		}
	}
	if s.mode == fresh {
		return s.openStream(buf, ns, empty)
	}
	return s.openElement(buf, ns, end, empty)
}

// openElement goes one level down, and up again if the tag is an empty-element tag.
func (s *Scanner) openElement(buf []byte, ns, end int, empty bool) bool {
	if s.depth >= s.limits.Depth {
		s.fail(PolicyViolation, "too many elements within each other")
		return false
	}
	s.depth++
	switch s.depth {
	case 1:
		s.el.open(s, buf, ns)
	case 2:
		if len(s.el.kids) >= s.limits.Kids {
			s.fail(PolicyViolation, "too many child elements")
			return false
		}
		b := &s.bindings[ns]
		s.el.kids = append(s.el.kids, Kid{
			from: int32(s.lt), name: s.tag, binding: int32(ns), uri: b.uri, uriHeld: b.uriHeld,
		})
		fallthrough
	default:
		s.use(ns)
	}
	if !s.prefixedAttributes(buf) {
		return false
	}
	s.el.elements++
	s.el.attributes += len(s.attrs) - s.base
	s.open = append(s.open, frame{s.tag.span, int32(s.outerBindings), int32(s.outerDefault)})
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

// use notes that a child element, or something within it, needs a binding that was made outside
// of it.
func (s *Scanner) use(n int) {
	if n < s.el.outer {
		s.el.kids[len(s.el.kids)-1].uses |= 1 << uint(n)
	}
}

// prefixedAttributes resolves the prefixes of the tag's attributes, and refuses two with the same
// expanded name. (Two that are the same as written have been refused before, and one without a
// prefix is in no namespace.)
func (s *Scanner) prefixedAttributes(buf []byte) bool {
	mine := s.attrs[s.base:]
	for n := range mine {
		a := &mine[n]
		if a.decl || !a.name.prefixed() {
			continue
		}
		ns, ok := s.resolve(buf, a.name.prefixOf(buf))
		if !ok {
			return false
		}
		if ns == 0 {
			continue
		}
		if s.depth > 1 {
			s.use(ns)
		}
		a.binding = int32(ns)
		local, uri := a.name.localOf(buf), s.uriOf(buf, &s.bindings[ns])
		for m := range mine[:n] {
			b := &mine[m]
			if b.binding > 0 && bytes.Equal(b.name.localOf(buf), local) &&
				bytes.Equal(s.uriOf(buf, &s.bindings[b.binding]), uri) {
				s.fail(NotWellFormed, "duplicate attribute")
				return false
			}
		}
	}
	return true
}

// openName gives the name that the next end tag has to carry; nil when nothing is open.
func (s *Scanner) openName(buf []byte) []byte {
	switch {
	case s.depth > 0:
		return s.open[s.depth-1].name.of(buf)
	case s.mode == inside:
		return s.root.of(s.held)
	}
	return nil
}

// endTag goes one level up. What a first-level element declared stays until the next item, for
// whoever reads it.
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
	s.defaultSpace = int(f.defaultSpace)
}
