package xmlstream

// Element is a first-level element as the [Scanner] saw it: a table of offsets into the bytes
// that were scanned. What its methods give lies in these bytes or in the scanner, and is good
// until the next Scan.
type Element struct {
	scanner      *Scanner
	buf          []byte
	name         qname
	content      string // the content namespace
	binding      int    // which one its own name is in
	defaultSpace int    // which one its content begins with
	outer        int    // how many are in force for its content
	carried      uint64 // the bit in Kid.uses that needs no care, see Portable
	attrs        int
	kids         []Kid
	elements     int // in all, itself among them
	attributes   int // in all
}

// Kid is a child element of an [Element].
type Kid struct {
	from, to int32
	name     qname
	binding  int32  // which one its name is in; after its end tag, only those below Element.outer are there still
	uri      span   // so that is kept
	uriHeld  bool   // uri is in Scanner.held, and not in the item
	uses     uint64 // the bindings made outside of it that it needs, one bit each
}

// open takes in the start tag.
func (e *Element) open(s *Scanner, buf []byte, ns int) {
	e.name, e.binding = s.tag, ns
	e.outer, e.defaultSpace = len(s.bindings), s.defaultSpace
	if e.content = s.header.Content; e.content == "" {
		e.content = contentSpace(s.uriOf(buf, &s.bindings[ns]))
	}
	if string(s.uriOf(buf, &s.bindings[s.defaultSpace])) == e.content {
		e.carried = 1 << uint(s.defaultSpace)
	}
}

// contentSpace gives the content namespace that space is, "" if it is none.
func contentSpace(space []byte) string {
	switch string(space) {
	case ClientSpace:
		return ClientSpace
	case ServerSpace:
		return ServerSpace
	case ComponentSpace:
		return ComponentSpace
	}
	return ""
}

// Raw gives the element's bytes.
func (e *Element) Raw() []byte { return e.buf }

// Local gives the name without its prefix.
func (e *Element) Local() []byte { return e.name.localOf(e.buf) }

// Space gives the namespace.
func (e *Element) Space() []byte { return e.scanner.uriOf(e.buf, &e.scanner.bindings[e.binding]) }

// Is reports whether the element has this expanded name.
func (e *Element) Is(space, local string) bool {
	return string(e.Local()) == local && string(e.Space()) == space
}

// Content gives the stream's content namespace. When the header declares none it is the element's
// own namespace, if that is ClientSpace, ServerSpace or ComponentSpace; otherwise "".
func (e *Element) Content() string { return e.content }

// Lang gives the stream's xml:lang, which the element inherits unless it has its own. Such a tag
// has a few letters: a long one is not handed on, for a peer could make many short elements long
// with it.
func (e *Element) Lang() string {
	const most = 64 // RFC 5646, 4.4.1 asks for 35 at least
	if lang := e.scanner.header.Lang; len(lang) <= most {
		return lang
	}
	return ""
}

// Attributes tells how many attributes the element has, namespace declarations among them.
func (e *Element) Attributes() int { return e.attrs }

// Attribute gives the n-th attribute: its name as written, with prefix, and its value between the
// quotes. plain says that the value stands for itself; otherwise it is for [AppendUnescapedAttr]
// to read.
func (e *Element) Attribute(n int) (name, value []byte, plain bool) {
	a := &e.scanner.attrs[n]
	return a.name.of(e.buf), a.value.of(e.buf), a.plain
}

// Lookup gives the value of an attribute by its name as written. It allocates only where the value
// does not stand for itself.
func (e *Element) Lookup(name string) (value []byte, ok bool) {
	for n := range e.attrs {
		if have, value, plain := e.Attribute(n); string(have) == name {
			if !plain {
				value = AppendUnescapedAttr(nil, value)
			}
			return value, true
		}
	}
	return nil, false
}

// Attr gives the value of an attribute by its name as written, "" when it is absent.
func (e *Element) Attr(name string) string {
	value, _ := e.Lookup(name)
	return string(value)
}

// Kids gives the table of child elements, in their order.
func (e *Element) Kids() []Kid { return e.kids }

// KidLocal gives a child element's name without prefix.
func (e *Element) KidLocal(k *Kid) []byte { return k.name.localOf(e.buf) }

// KidSpace gives a child element's namespace.
func (e *Element) KidSpace(k *Kid) []byte {
	if k.uriHeld {
		return k.uri.of(e.scanner.held)
	}
	return k.uri.of(e.buf)
}

// KidRaw gives a child element's bytes. Whether they mean the same elsewhere, [Element.Portable]
// tells.
func (e *Element) KidRaw(k *Kid) []byte { return e.buf[k.from:k.to] }

// KidLocalAt tells where in KidRaw the name without its prefix stands.
func (e *Element) KidLocalAt(k *Kid) (from, to int) {
	return int(k.name.local - k.from), int(k.name.to - k.from)
}

// KidSpaceAt tells where in KidRaw the namespace stands, so that a copy of these bytes needs no
// other of it. It is nowhere (0, 0) when it is declared further out, or written with references.
func (e *Element) KidSpaceAt(k *Kid) (from, to int) {
	if k.uriHeld || k.uri.from < k.from || k.uri.to > k.to {
		return 0, 0
	}
	return int(k.uri.from - k.from), int(k.uri.to - k.from)
}
