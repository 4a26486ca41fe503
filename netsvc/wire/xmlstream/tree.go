package xmlstream

import (
	"errors"
	"unsafe"
)

// ErrNotOne says that there is something else than exactly one element.
var ErrNotOne = errors.New("xmlstream: not exactly one element")

// Parse reads exactly one element, with the [DefaultLimits] on depth, attributes and
// declarations; how many bytes and child elements it has is not limited. space is the default
// namespace in force outside. The tree lies in a copy of b and takes, at worst, some forty times
// its size. Errors are *[Error] or [ErrNotOne].
func Parse(b []byte, space string) (*Node, error) {
	var s Scanner
	s.ResetBare(Limits{Bytes: len(b) + 1, Kids: len(b) + 1}, space)
	switch ev, n, err := s.Scan(b); {
	case err != nil:
		return nil, err
	case ev != EventElement || n != len(b):
		return nil, ErrNotOne
	}
	return Tree(append([]byte(nil), b...), space), nil
}

// Tree is Parse for bytes that are known to be one element, from a [Scanner] or a [Writer]: it
// checks nothing, and gives nil for what is no element. The tree lies in b, which must not be
// changed any more.
func Tree(b []byte, space string) *Node {
	p := parser{tokens: tokens{rest: b}, all: b, space: space}
	if p.next() != startToken {
		return nil
	}
	return p.element(0)
}

// Node gives the element as a tree, with what the stream header declares in force. The tree is a
// copy, and outlives the element.
func (e *Element) Node() *Node {
	b := append([]byte(nil), e.buf...)
	p := parser{tokens: tokens{rest: b}, all: b}
	s := e.scanner
	for n := range s.settled.bindings {
		around := &s.bindings[n]
		p.scope = append(p.scope, Binding{string(s.prefixOf(nil, around)), string(s.uriOf(nil, around))})
	}
	p.next()
	return p.element(0)
}

// parser builds a tree.
type parser struct {
	tokens
	all   []byte
	space string    // the default namespace outside
	scope []Binding // the declarations in force
	nodes []Node    // room for the next nodes
	attrs []Attr    // room for the next attributes, behind those that nodes have
}

// node takes a new node. They lie in arrays that do not grow, since others point there, but get
// larger.
func (p *parser) node() *Node {
	if len(p.nodes) == cap(p.nodes) {
		const first, most = 4, 64
		p.nodes = make([]Node, 0, min(max(first, 2*cap(p.nodes)), most))
	}
	p.nodes = append(p.nodes, Node{})
	return &p.nodes[len(p.nodes)-1]
}

// at is how far the parser is.
func (p *parser) at() int { return len(p.all) - len(p.rest) }

// element builds the element whose start tag, which began at from, was just taken.
func (p *parser) element(from int) *Node {
	node, outer := p.node(), len(p.scope)
	for tag := p.tokens; ; { // declarations first: they hold for the whole tag
		name, value := tag.attr()
		if name == nil {
			break
		}
		if prefix, ok := declares(name); ok {
			p.scope = append(p.scope, Binding{prefix, unescapedAttr(value)})
		}
	}
	prefix, local := splitName(str(p.name))
	node.Name = Name{p.bound(prefix), local}
	node.Attrs = p.attributes()
	if !p.empty {
		p.content(node)
	}
	p.scope = p.scope[:outer]
	node.Raw = p.all[from:p.at():p.at()]
	return node
}

func (p *parser) attributes() []Attr {
	first := len(p.attrs)
	for {
		name, value := p.attr()
		if name == nil {
			return p.attrs[first:len(p.attrs):len(p.attrs)]
		}
		if _, ok := declares(name); ok {
			continue
		}
		if p.attrs == nil {
			p.attrs = make([]Attr, 0, 4)
		}
		a := Attr{Value: unescapedAttr(value)}
		prefix, local := splitName(str(name))
		if a.Local = local; prefix != "" {
			a.Space = p.bound(prefix)
		}
		p.attrs = append(p.attrs, a)
	}
}

func (p *parser) bound(prefix string) string {
	for n := len(p.scope) - 1; n >= 0; n-- {
		if p.scope[n].Prefix == prefix {
			return p.scope[n].Space
		}
	}
	switch prefix {
	case "":
		return p.space
	case "xml":
		return xmlSpace
	}
	return ""
}

// content builds what stands between node's tags, and takes the end tag.
func (p *parser) content(node *Node) {
	var few [8]*Node
	kids := few[:0]
	var text []byte // several pieces of text, joined
	for {
		from := p.at()
		var piece []byte
		switch p.next() {
		case startToken:
			kids = append(kids, p.element(from))
			continue
		case textToken:
			piece = unescapedText(p.text)
		case cdataToken:
			piece = lineEnds(p.text)
		default:
			if text != nil {
				node.Text = str(text)
			}
			node.Kids = append(node.Kids, kids...)
			return
		}
		switch {
		case text != nil:
			text = append(text, piece...)
		case node.Text != "":
			text = append([]byte(node.Text), piece...)
		default:
			node.Text = str(piece)
		}
	}
}

// str makes a string of bytes that never change.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// unescapedAttr is AppendUnescapedAttr, which copies only what has to be changed.
func unescapedAttr(v []byte) string {
	for _, c := range v {
		if c == '&' || c < ' ' {
			return str(AppendUnescapedAttr(nil, v))
		}
	}
	return str(v)
}

// unescapedText is AppendUnescapedText, which copies only what has to be changed.
func unescapedText(v []byte) []byte {
	for _, c := range v {
		if c == '&' || c == '\r' {
			return AppendUnescapedText(nil, v)
		}
	}
	return v
}

// lineEnds makes line feeds of line ends, as in a CDATA section (XML 1.0, 2.11).
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
