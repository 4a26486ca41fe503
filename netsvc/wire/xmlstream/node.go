package xmlstream

import (
	"errors"
	"unsafe"
)

// Name is an expanded name.
type Name struct{ Space, Local string }

// Attr is an attribute with its namespace resolved and its value unescaped. An attribute without a prefix is in no namespace.
type Attr struct {
	Name
	Value string
}

// Node is an element as a tree. All its readers take a nil *Node for an element without anything in it, so that a chain of
// them needs no checks. A tree is not changed after Parse made it and may be shared.
type Node struct {
	Name  Name
	Attrs []Attr // without namespace declarations
	Kids  []*Node
	Text  string // its own character data, concatenated
	Raw   []byte // its bytes; prefixes may be declared outside of them
}

// ErrNotOne says that there is something else than exactly one element.
var ErrNotOne = errors.New("xmlstream: not exactly one element")

// Parse reads exactly one element, with the [DefaultLimits] except for the number of bytes and child elements, which
// are not limited. space is the default namespace in force outside. The tree keeps a copy of b. Errors are *[Error] or [ErrNotOne].
func Parse(b []byte, space string) (*Node, error) {
	var s Scanner
	s.ResetBare(Limits{Bytes: len(b) + 1, Kids: len(b) + 1}, space)
	ev, n, err := s.Scan(b)
	switch {
	case err != nil:
		return nil, err
	case ev != EventElement || n != len(b):
		return nil, ErrNotOne
	}
	own := append([]byte(nil), b...)
	p := parser{
		all: unsafe.String(&own[0], len(own)), own: own,
		tokens: tokens{rest: own},
		nodes:  make([]Node, 0, s.el.elements),
		attrs:  make([]Attr, 0, s.el.attributes),
		kids:   make([]*Node, s.el.elements),
	}
	p.scope = append(p.scopeBuf[:0], Binding{"", space})
	return p.element(), nil
}

// parser builds a tree from bytes that a Scanner has accepted. All nodes, attributes and tables of children lie in three slices that were
// made large enough at once.
type parser struct {
	tokens
	own      []byte
	all      string // own as a string, which names and values are cut from
	nodes    []Node
	attrs    []Attr
	kids     []*Node
	scope    []Binding
	scopeBuf [8]Binding
}

// str makes a string of b, which lies in p.own and never changes again.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (p *parser) bound(prefix string) string {
	if prefix == "xml" {
		return xmlSpace
	}
	for n := len(p.scope) - 1; n >= 0; n-- {
		if p.scope[n].Prefix == prefix {
			return p.scope[n].Space
		}
	}
	return ""
}

// element builds the element whose start tag is next.
func (p *parser) element() *Node {
	from := len(p.own) - len(p.rest)
	p.next()
	return p.inside(from)
}

// inside builds the element whose start tag, which began at from, was just taken.
func (p *parser) inside(from int) *Node {
	p.nodes = append(p.nodes, Node{})
	node := &p.nodes[len(p.nodes)-1]
	name, empty, outer := str(p.name), p.empty, len(p.scope)

	firstAttr, tag := len(p.attrs), p.tokens
	for { // declarations first: they hold for the whole tag
		n, v := tag.attr()
		if n == nil {
			break
		}
		if prefix, ok := declares(n); ok {
			p.scope = append(p.scope, Binding{prefix, unescapedAttr(v)})
		}
	}
	for {
		n, v := p.attr()
		if n == nil {
			break
		}
		if _, ok := declares(n); ok {
			continue
		}
		prefix, local := splitName(str(n))
		a := Attr{Name: Name{Local: local}, Value: unescapedAttr(v)}
		if prefix != "" {
			a.Space = p.bound(prefix)
		}
		p.attrs = append(p.attrs, a)
	}
	node.Attrs = p.attrs[firstAttr:len(p.attrs):len(p.attrs)]
	prefix, local := splitName(name)
	node.Name = Name{Space: p.bound(prefix), Local: local}

	if !empty {
		p.content(node)
	}
	p.scope = p.scope[:outer]
	node.Raw = p.own[from : len(p.own)-len(p.rest)]
	return node
}

// content builds what stands between node's tags, and takes the end tag.
func (p *parser) content(node *Node) {
	var text []byte // only when there is more than one piece
	var few [8]*Node
	kids := few[:0]
	for {
		from := len(p.own) - len(p.rest)
		switch kind := p.next(); kind {
		case startToken:
			kids = append(kids, p.inside(from))
		case textToken, cdataToken:
			piece := p.text
			if kind == textToken {
				piece = unescapedText(piece)
			} else {
				piece = lineEnds(piece)
			}
			switch {
			case text != nil:
				text = append(text, piece...)
			case node.Text != "":
				text = append([]byte(node.Text), piece...)
			default:
				node.Text = str(piece)
			}
		default:
			if text != nil {
				node.Text = str(text)
			}
			if len(kids) > 0 {
				node.Kids = append(p.kids[:0:len(kids)], kids...)
				p.kids = p.kids[len(kids):]
			}
			return
		}
	}
}

func unescapedAttr(v []byte) string {
	for _, c := range v {
		if c == '&' || c < ' ' {
			return str(AppendUnescapedAttr(nil, v))
		}
	}
	return str(v)
}

func unescapedText(v []byte) []byte {
	for _, c := range v {
		if c == '&' || c == '\r' {
			return AppendUnescapedText(nil, v)
		}
	}
	return v
}

func lineEnds(v []byte) []byte {
	for n, c := range v {
		if c != '\r' {
			continue
		}
		out := append([]byte(nil), v[:n]...)
		for ; n < len(v); n++ {
			switch {
			case v[n] != '\r':
				out = append(out, v[n])
			case n+1 == len(v) || v[n+1] != '\n':
				out = append(out, '\n')
			}
		}
		return out
	}
	return v
}

// Is reports whether the node has this expanded name.
func (n *Node) Is(space, local string) bool {
	return n != nil && n.Name.Local == local && n.Name.Space == space
}

// Lookup gives the value of the attribute that has this name and no namespace.
func (n *Node) Lookup(local string) (value string, ok bool) {
	if n == nil {
		return "", false
	}
	for i := range n.Attrs {
		if a := &n.Attrs[i]; a.Local == local && a.Space == "" {
			return a.Value, true
		}
	}
	return "", false
}

// Attr gives the value of the attribute that has this name and no namespace, "" when there is none.
func (n *Node) Attr(local string) string {
	value, _ := n.Lookup(local)
	return value
}

// Lang gives the node's own xml:lang.
func (n *Node) Lang() string {
	if n != nil {
		for i := range n.Attrs {
			if a := &n.Attrs[i]; a.Local == "lang" && a.Space == xmlSpace {
				return a.Value
			}
		}
	}
	return ""
}

// Child gives the first child element with this name; nil when there is none.
func (n *Node) Child(space, local string) *Node {
	if n != nil {
		for _, kid := range n.Kids {
			if kid.Is(space, local) {
				return kid
			}
		}
	}
	return nil
}

// ChildText gives the text of the first child element with this name.
func (n *Node) ChildText(space, local string) string {
	if kid := n.Child(space, local); kid != nil {
		return kid.Text
	}
	return ""
}

// First gives the first child element; nil when there is none.
func (n *Node) First() *Node {
	if n == nil || len(n.Kids) == 0 {
		return nil
	}
	return n.Kids[0]
}
