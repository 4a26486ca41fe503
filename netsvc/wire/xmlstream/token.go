package xmlstream

import "bytes"

// tokens walks over bytes that a [Scanner] has accepted or a [Writer] has written. It checks
// nothing again; on other bytes it finds nonsense or nothing, but it stays within them.
type tokens struct {
	rest []byte
	// What next found:
	name  []byte // a tag's, with prefix
	attrs []byte // the inside of a start tag, behind the name
	text  []byte // character data, raw
	empty bool   // an empty-element tag
}

type tokenKind uint8

const (
	noToken tokenKind = iota
	startToken
	endToken
	textToken
	cdataToken
)

const cdataOpen, cdataClose = "<![CDATA[", "]]>"

func (t *tokens) next() tokenKind {
	b := t.rest
	t.empty = false
	switch {
	case len(b) == 0:
		return noToken
	case b[0] != '<':
		n := bytes.IndexByte(b, '<')
		if n < 0 {
			n = len(b)
		}
		t.text, t.rest = b[:n], b[n:]
		return textToken
	case len(b) < len("<a/>"):
		return noToken
	case b[1] == '!':
		n := bytes.Index(b, []byte(cdataClose))
		if n < len(cdataOpen) {
			return noToken
		}
		t.text, t.rest = b[len(cdataOpen):n], b[n+len(cdataClose):]
		return cdataToken
	case b[1] == '/':
		n := bytes.IndexByte(b, '>')
		if n < 0 {
			return noToken
		}
		t.name, t.rest = bytes.TrimRight(b[2:n], spaces), b[n+1:]
		return endToken
	}
	return t.start()
}

// start takes a start tag.
func (t *tokens) start() tokenKind {
	b, n := t.rest, 1
	for n < len(b) && b[n] != '>' && b[n] != '/' && class[b[n]]&whiteSpace == 0 {
		n++
	}
	name := n
	for n < len(b) && b[n] != '>' {
		if b[n] == '\'' || b[n] == '"' {
			n += 1 + bytes.IndexByte(b[n+1:], b[n])
		}
		n++
	}
	if n >= len(b) {
		return noToken
	}
	t.name, t.attrs, t.rest = b[1:name], b[name:n], b[n+1:]
	t.empty = b[n-1] == '/'
	return startToken
}

// attr takes the next attribute off the tag's inside; name is nil when there is none left.
func (t *tokens) attr() (name, value []byte) {
	b := bytes.TrimLeft(t.attrs, spaces)
	eq := bytes.IndexByte(b, '=')
	if eq < 0 {
		return nil, nil
	}
	name = bytes.TrimRight(b[:eq], spaces)
	b = bytes.TrimLeft(b[eq+1:], spaces)
	if len(b) < 2 {
		return nil, nil
	}
	end := 1 + bytes.IndexByte(b[1:], b[0])
	if end == 0 {
		return nil, nil
	}
	t.attrs = b[end+1:]
	return name, b[1:end]
}

// skip goes behind the end tag of the element whose start tag was just taken.
func (t *tokens) skip() (ok bool) {
	depth := 1
	if t.empty {
		depth = 0
	}
	for depth > 0 {
		switch t.next() {
		case noToken:
			return false
		case startToken:
			if !t.empty {
				depth++
			}
		case endToken:
			depth--
		}
	}
	return true
}

// Each calls f for the elements that b consists of, with their expanded names, until f returns
// false. space is the default namespace in force around them. b must be XML that a [Scanner] has
// accepted or a [Writer] has written, with each prefix declared in the element that uses it; what
// follows anything else is passed over. The strings lie in b if they can.
func Each(b []byte, space string, f func(space, local string, raw []byte) bool) {
	for t := (tokens{rest: b}); ; {
		raw := t.rest
		switch t.next() {
		case noToken, endToken:
			return
		case textToken, cdataToken:
			continue
		}
		prefix, local := splitName(str(t.name))
		own := space
		for tag := t; ; {
			name, value := tag.attr()
			if name == nil {
				break
			}
			if p, ok := declares(name); ok && p == prefix {
				own = unescapedAttr(value)
			}
		}
		if !t.skip() {
			return
		}
		if n := len(raw) - len(t.rest); !f(own, local, raw[:n:n]) {
			return
		}
	}
}

// declares reports whether an attribute of this name is a namespace declaration, and of which
// prefix.
func declares(name []byte) (prefix string, ok bool) {
	const xmlns = "xmlns"
	switch {
	case len(name) < len(xmlns) || string(name[:len(xmlns)]) != xmlns:
		return "", false
	case len(name) == len(xmlns):
		return "", true
	}
	return str(name[len(xmlns)+1:]), name[len(xmlns)] == ':'
}

// splitName takes a qualified name apart.
func splitName(name string) (prefix, local string) {
	for n := 0; n < len(name); n++ {
		if name[n] == ':' {
			return name[:n], name[n+1:]
		}
	}
	return "", name
}
