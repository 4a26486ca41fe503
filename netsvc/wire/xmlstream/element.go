package xmlstream

// Element is a first-level element as the [Scanner] saw it: a table of offsets into the bytes that were scanned. What its
// methods return lies in these bytes or in the scanner, and ends with the next Scan.
type Element struct {
	scanner    *Scanner
	buf        []byte
	tag        tagName
	binding    int // of its own name
	defaultN   int // the default namespace that its content begins with
	outer      int // how many bindings are in force for its content
	attrs      int
	kids       []Kid
	elements   int // in all, itself counted
	attributes int // in all
}

// Kid is a child element of an [Element]. The offsets count from the element's first byte.
type Kid struct {
	from, to int32
	tag      tagName
	binding  int32
	uri      span
	uriHeld  bool
	uses     uint64 // the bindings made outside of it that it uses, one bit each
}

// Raw gives the element's bytes.
func (e *Element) Raw() []byte { return e.buf }

// Local gives the name without its prefix.
func (e *Element) Local() []byte { return localOf(e.buf, e.tag) }

// Space gives the namespace.
func (e *Element) Space() []byte {
	return e.scanner.uriOf(e.buf, &e.scanner.bindings[e.binding])
}

// Is reports whether the element has this expanded name.
func (e *Element) Is(space, local string) bool {
	return string(e.Local()) == local && string(e.Space()) == space
}

// Lang gives the element's xml:lang, raw, or else that of the stream.
func (e *Element) Lang() (lang string) { return e.scanner.header.Lang }

// Content gives the stream's content namespace as one of ClientSpace, ServerSpace, ComponentSpace; when the header declared none,
// the element's own namespace if that is one of them; "" otherwise.
func (e *Element) Content() string {
	if c := e.scanner.header.Content; c != "" {
		return c
	}
	switch string(e.Space()) {
	case ClientSpace:
		return ClientSpace
	case ServerSpace:
		return ServerSpace
	case ComponentSpace:
		return ComponentSpace
	}
	return ""
}

// Attributes tells how many attributes the element has, namespace declarations among them.
func (e *Element) Attributes() int { return e.attrs }

// Attribute gives the n-th attribute: its name as written, with prefix, and its raw value. plain says that the value stands for itself;
// otherwise [AppendUnescapedAttr] has to resolve it.
func (e *Element) Attribute(n int) (name, value []byte, plain bool) {
	a := &e.scanner.attrs[n]
	return a.name.of(e.buf), a.value.of(e.buf), a.plain
}

// Attr gives an attribute's value by its name as written, "" when it is absent.
func (e *Element) Attr(name string) string {
	for n := range e.attrs {
		if have, value, plain := e.Attribute(n); string(have) == name {
			if plain {
				return string(value)
			}
			return string(AppendUnescapedAttr(nil, value))
		}
	}
	return ""
}

// Kids gives the table of child elements, in their order.
func (e *Element) Kids() []Kid { return e.kids }

// KidLocal gives a child element's name without prefix.
func (e *Element) KidLocal(k *Kid) []byte { return localOf(e.buf, k.tag) }

// KidSpace gives a child element's namespace.
func (e *Element) KidSpace(k *Kid) []byte {
	b := e.buf
	if k.uriHeld {
		b = e.scanner.held
	}
	return k.uri.of(b)
}

// KidRaw gives a child element's bytes. Whether they may stand elsewhere, [Element.Portable] tells.
func (e *Element) KidRaw(k *Kid) []byte { return e.buf[k.from:k.to] }

// KidOffsets tells where in KidRaw the name without prefix stands and where the namespace does, if it is declared there and stands
// for itself: the caller's copy of the bytes then holds both already. Otherwise space is empty.
func (e *Element) KidOffsets(k *Kid) (local, space [2]int) {
	local = [2]int{int(k.tag.local - k.from), int(k.tag.name.to - k.from)}
	if !k.uriHeld && k.uri.from > k.from && k.uri.to < k.to {
		space = [2]int{int(k.uri.from - k.from), int(k.uri.to - k.from)}
	}
	return local, space
}
