package xmlstream

import "math/bits"

// A child element's bytes say what they mean only where the same namespaces are in force. This file makes copies that mean the same
// within any element whose default namespace is ClientSpace, which is how stanzas travel inside of the server.

// Portable reports whether the child element's bytes may be copied as they are. That is so unless they use a prefix declared
// outside of them, or the content namespace in another way than by inheriting it as the default namespace.
func (e *Element) Portable(k *Kid) bool {
	s := e.scanner
	content := e.Content()
	carried := uint64(0) // the default namespace carries over where it is the content namespace
	if string(s.uriOf(e.buf, &s.bindings[e.defaultN])) == content {
		carried = 1 << uint(e.defaultN)
	}
	if k.uses&^carried != 0 {
		return false
	}
	return int(k.binding) == e.defaultN || string(e.KidSpace(k)) != content
}

// AppendKid appends a portable copy of a child element. Where the content namespace is jabber:server or jabber:component:accept, elements
// that are in it by what was declared outside of the child become elements of jabber:client; and so do all in a child that is
// itself in the content namespace.
func (e *Element) AppendKid(dst []byte, k *Kid) []byte {
	if e.Portable(k) {
		return append(dst, e.KidRaw(k)...)
	}
	content, s := e.Content(), e.scanner
	rewrite := string(e.KidSpace(k)) == content && (int(k.binding) != e.defaultN || k.tag.local != k.tag.name.from)
	for uses := k.uses; uses != 0; uses &= uses - 1 {
		b := &s.bindings[bits.TrailingZeros64(uses)]
		rewrite = rewrite || b.prefix.size() > 0 && string(s.uriOf(e.buf, b)) == content
	}
	if rewrite {
		r := requalifier{element: e, content: content, all: string(e.KidSpace(k)) == content}
		return r.append(dst, e.KidRaw(k))
	}

	// The plain way: the declarations that are missing go behind the name in the start tag.
	dst = append(dst, e.buf[k.from:k.tag.name.to]...)
	for uses := k.uses; uses != 0; uses &= uses - 1 {
		b := &s.bindings[bits.TrailingZeros64(uses)]
		if uri := s.uriOf(e.buf, b); b.prefix.size() > 0 || string(uri) != content {
			dst = appendDeclaration(dst, string(s.prefixOf(e.buf, b)), string(uri))
		}
	}
	return append(dst, e.buf[k.tag.name.to:k.to]...)
}

// appendDeclaration appends an attribute that declares prefix, or the default namespace if it is "".
func appendDeclaration(dst []byte, prefix, space string) []byte {
	dst = append(dst, " xmlns"...)
	if prefix != "" {
		dst = append(append(dst, ':'), prefix...)
	}
	dst = append(dst, "='"...)
	return append(AppendAttr(dst, space), '\'')
}

// requalifier writes an element anew with no prefix on any element: each gets a default namespace where it differs from the one around.
// Prefixes stay on attributes, which need them.
type requalifier struct {
	element *Element
	content string // the namespace that becomes ClientSpace
	all     bool   // also where it is declared within the element
	scope   []scoped
	open    []requalified
}

// scoped is a declaration in force.
type scoped struct {
	Binding
	outside bool // made outside of the element
	written bool // the output has it, too
}

// requalified is an element that is open in the output.
type requalified struct {
	local string
	space string
	scope int // how many declarations are in force outside of it
}

func (r *requalifier) append(dst, raw []byte) []byte {
	e := r.element
	for n := range e.outer {
		b := &e.scanner.bindings[n]
		r.scope = append(r.scope, scoped{
			Binding: Binding{string(e.scanner.prefixOf(e.buf, b)), string(e.scanner.uriOf(e.buf, b))},
			outside: true,
		})
	}
	for t := (tokens{rest: raw}); ; {
		switch t.next() {
		case startToken:
			dst = r.start(dst, &t)
		case endToken:
			top := r.open[len(r.open)-1]
			dst = append(append(append(dst, "</"...), top.local...), '>')
			r.pop()
		case textToken:
			dst = append(dst, t.text...)
		case cdataToken:
			dst = append(append(append(dst, cdataOpen...), t.text...), cdataClose...)
		default:
			return dst
		}
	}
}

func (r *requalifier) pop() {
	top := len(r.open) - 1
	r.scope = r.scope[:r.open[top].scope]
	r.open = r.open[:top]
}

func (r *requalifier) bound(prefix string) *scoped {
	for n := len(r.scope) - 1; n >= 0; n-- {
		if r.scope[n].Prefix == prefix {
			return &r.scope[n]
		}
	}
	return &scoped{written: true} // "xml"
}

func (r *requalifier) start(dst []byte, t *tokens) []byte {
	outer := len(r.scope)
	for tag := *t; ; {
		name, value := tag.attr()
		if name == nil {
			break
		}
		switch prefix, local := splitName(str(name)); {
		case prefix == "xmlns":
			r.scope = append(r.scope, scoped{Binding: Binding{local, unescapedAttr(value)}, written: true})
		case prefix == "" && local == "xmlns":
			r.scope = append(r.scope, scoped{Binding: Binding{"", unescapedAttr(value)}})
		}
	}
	prefix, local := splitName(str(t.name))
	b := r.bound(prefix)
	space, around := b.Space, ClientSpace
	if space == r.content && (r.all || b.outside) {
		space = ClientSpace
	}
	if len(r.open) > 0 {
		around = r.open[len(r.open)-1].space
	}
	dst = append(append(dst, '<'), local...)
	if space != around {
		dst = appendDeclaration(dst, "", space)
	}
	empty := t.empty
	dst = r.attributes(dst, t)
	r.open = append(r.open, requalified{local, space, outer})
	if empty {
		dst = append(dst, '/')
		r.pop()
	}
	return append(dst, '>')
}

// attributes copies the tag's attributes, all but those that declare a default namespace.
func (r *requalifier) attributes(dst []byte, t *tokens) []byte {
	for {
		name, value := t.attr()
		if name == nil {
			return dst
		}
		prefix, local := splitName(str(name))
		if prefix == "" && local == "xmlns" {
			continue
		}
		if prefix != "" && prefix != "xmlns" {
			if b := r.bound(prefix); !b.written {
				dst = appendDeclaration(dst, prefix, b.Space)
				r.scope = append(r.scope, scoped{Binding: b.Binding, outside: true, written: true})
			}
		}
		quote := byte('\'')
		for _, c := range value {
			if c == quote {
				quote = '"'
			}
		}
		dst = append(append(append(dst, ' '), name...), '=', quote)
		dst = append(append(dst, value...), quote)
	}
}
