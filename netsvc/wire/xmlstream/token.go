package xmlstream

import "bytes"

// tokens walks over bytes that a [Scanner] has accepted: it checks nothing again, and must not see others.
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
	case b[1] == '!':
		n := bytes.Index(b, []byte("]]>"))
		t.text, t.rest = b[len("<![CDATA["):n], b[n+3:]
		return cdataToken
	case b[1] == '/':
		n := bytes.IndexByte(b, '>')
		t.name, t.rest = b[2:n], b[n+1:]
		return endToken
	}
	n := 1
	for b[n] != '>' && b[n] != '/' && class[b[n]]&isSpace == 0 {
		n++
	}
	t.name = b[1:n]
	from := n
	for b[n] != '>' {
		if b[n] == '\'' || b[n] == '"' {
			n += 1 + bytes.IndexByte(b[n+1:], b[n])
		}
		n++
	}
	t.empty = b[n-1] == '/'
	t.attrs, t.rest = b[from:n], b[n+1:]
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
	end := 1 + bytes.IndexByte(b[1:], b[0])
	t.attrs = b[end+1:]
	return name, b[1:end]
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
