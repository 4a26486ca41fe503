package xmlstream

import "bytes"

// tokens walks over bytes that a [Scanner] has accepted or a [Writer] has written. It checks nothing again; on other bytes it
// finds nonsense or nothing, but it stays within them.
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
		t.name, t.rest = bytes.TrimRight(b[2:n], whiteSpace), b[n+1:]
		return endToken
	}
	return t.start()
}

// start takes a start tag.
func (t *tokens) start() tokenKind {
	b, n := t.rest, 1
	for n < len(b) && b[n] != '>' && b[n] != '/' && class[b[n]]&isSpace == 0 {
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
	b := bytes.TrimLeft(t.attrs, whiteSpace)
	eq := bytes.IndexByte(b, '=')
	if eq < 0 {
		return nil, nil
	}
	name = bytes.TrimRight(b[:eq], whiteSpace)
	b = bytes.TrimLeft(b[eq+1:], whiteSpace)
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

// Each calls f for the elements that b consists of, with their expanded names, until f returns false. space is the default namespace in force
// around them. b must be XML that a [Scanner] has accepted or a [Writer] has written, and prefixes must be declared in the
// elements that use them; space and local lie in b where they can.
func Each(b []byte, space string, f func(space, local string, raw []byte) bool) {
	t := tokens{rest: b}
	for len(t.rest) > 0 {
		raw := t.rest
		switch t.next() {
		case noToken:
			return
		case startToken:
		default:
			continue
		}
		prefix, local := splitName(str(t.name))
		around := space
		for tag := t; ; {
			name, value := tag.attr()
			if name == nil {
				break
			}
			if p, l := splitName(str(name)); p == "" && l == "xmlns" && prefix == "" || p == "xmlns" && l == prefix {
				around = unescapedAttr(value)
			}
		}
		for depth := 1; depth > 0; {
			if t.empty {
				depth--
				t.empty = false
				continue
			}
			switch t.next() {
			case noToken:
				return
			case startToken:
				depth++
			case endToken:
				depth--
				t.empty = false
			default:
				t.empty = false
			}
		}
		if n := len(raw) - len(t.rest); !f(around, local, raw[:n:n]) {
			return
		}
	}
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
