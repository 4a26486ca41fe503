package xmlstream

import (
	"bytes"
	"math/bits"
)

// A child element's bytes say what they mean only where the same namespaces are in force. This
// file makes copies that mean the same within any element whose default namespace is ClientSpace,
// which is how stanzas travel inside of the server.

// Portable reports whether the child element's bytes mean the same there. They do unless they use
// a prefix declared outside of them, or the content namespace in another way than by inheriting
// it as the default namespace.
func (e *Element) Portable(k *Kid) bool {
	return k.uses&^e.carried == 0 && (int(k.binding) == e.defaultSpace || string(e.KidSpace(k)) != e.content)
}

// AppendKid appends a portable copy of a child element. Where the content namespace is
// jabber:server or jabber:component:accept, elements that are in it by what was declared outside
// of the child become elements of jabber:client; in a child that is in it by its own declaration,
// all that are in it do.
//
// A prefix of one byte may stand for a long namespace, so that a copy can be much longer than
// what was read. It is given up, and ok is false, when dst has become longer than an element of
// this stream may be.
func (e *Element) AppendKid(dst []byte, k *Kid) (out []byte, ok bool) {
	most := e.scanner.limits.Bytes
	if e.Portable(k) {
		dst = append(dst, e.KidRaw(k)...)
		return dst, len(dst) <= most
	}
	inContent := string(e.KidSpace(k)) == e.content
	if inContent && int(k.binding) != e.defaultSpace || e.usesContentPrefix(k) {
		r := requalifier{element: e, all: inContent, most: most}
		return r.rewrite(dst, e.KidRaw(k))
	}

	// The plain way: the declarations that are missing go behind the name in the start tag.
	dst = append(dst, e.buf[k.from:k.name.to]...)
	for uses := k.uses &^ e.carried; uses != 0 && len(dst) <= most; uses &= uses - 1 {
		b := &e.scanner.bindings[bits.TrailingZeros64(uses)]
		dst = appendDeclaration(dst, string(e.scanner.prefixOf(e.buf, b)), string(e.scanner.uriOf(e.buf, b)))
	}
	dst = append(dst, e.buf[k.name.to:k.to]...)
	return dst, len(dst) <= most
}

// usesContentPrefix reports whether something in the child element is in the content namespace by
// a prefix declared outside of it.
func (e *Element) usesContentPrefix(k *Kid) bool {
	for uses := k.uses &^ e.carried; uses != 0; uses &= uses - 1 {
		b := &e.scanner.bindings[bits.TrailingZeros64(uses)]
		if b.prefix != (span{}) && string(e.scanner.uriOf(e.buf, b)) == e.content {
			return true
		}
	}
	return false
}

// appendDeclaration appends an attribute that declares prefix, or the default namespace if it is
// "".
func appendDeclaration(dst []byte, prefix, space string) []byte {
	dst = append(dst, " xmlns"...)
	if prefix != "" {
		dst = append(append(dst, ':'), prefix...)
	}
	dst = append(dst, "='"...)
	return append(AppendAttr(dst, space), '\'')
}

// requalifier writes an element anew with no prefix on any element: each gets a default namespace
// where that differs from the one around it. Prefixes stay on attributes, which need them.
type requalifier struct {
	element *Element
	all     bool // also what is in the content namespace by a declaration within becomes jabber:client
	most    int  // how long the output may get
	scope   []scoped
	open    []requalified
}

// scoped is a declaration in force.
type scoped struct {
	Binding
	outside bool // made outside of the element
	written bool // it stands in the output, too
}

// requalified is an element that is open in the output.
type requalified struct {
	local, space string
	scope        int // how many declarations are in force outside of it
}

func (r *requalifier) rewrite(dst, raw []byte) (out []byte, ok bool) {
	e := r.element
	for n := range e.outer {
		b := &e.scanner.bindings[n]
		r.scope = append(r.scope, scoped{
			Binding: Binding{str(e.scanner.prefixOf(e.buf, b)), str(e.scanner.uriOf(e.buf, b))},
			outside: true,
		})
	}
	for t := (tokens{rest: raw}); len(dst) <= r.most; {
		switch t.next() {
		case startToken:
			dst = r.start(dst, &t)
		case endToken:
			dst = append(append(append(dst, "</"...), r.open[len(r.open)-1].local...), '>')
			r.pop()
		case textToken:
			dst = append(dst, t.text...)
		case cdataToken:
			dst = append(append(append(dst, cdataOpen...), t.text...), cdataClose...)
		case noToken:
			return dst, true
		}
	}
	return dst, false
}

func (r *requalifier) pop() {
	last := len(r.open) - 1
	r.scope = r.scope[:r.open[last].scope]
	r.open = r.open[:last]
}

func (r *requalifier) start(dst []byte, t *tokens) []byte {
	outer := len(r.scope)
	for tag := *t; ; { // declarations first: they hold for the whole tag
		name, value := tag.attr()
		if name == nil {
			break
		}
		if prefix, ok := declares(name); ok {
			// Default namespaces are written where elements need them, not where they were
			// declared.
			r.scope = append(r.scope, scoped{Binding: Binding{prefix, unescapedAttr(value)}, written: prefix != ""})
		}
	}
	prefix, local := splitName(str(t.name))
	space, around := r.space(prefix), ClientSpace
	if len(r.open) > 0 {
		around = r.open[len(r.open)-1].space
	}
	dst = append(append(dst, '<'), local...)
	if space != around {
		dst = appendDeclaration(dst, "", space)
	}
	dst = r.attributes(dst, *t)
	r.open = append(r.open, requalified{local, space, outer})
	if t.empty {
		dst = append(dst, '/')
		r.pop()
	}
	return append(dst, '>')
}

// bound finds the declaration of a prefix; nil for "xml", which needs none.
func (r *requalifier) bound(prefix string) *scoped {
	for n := len(r.scope) - 1; n >= 0; n-- {
		if r.scope[n].Prefix == prefix {
			return &r.scope[n]
		}
	}
	return nil
}

// space gives the namespace that an element with this prefix gets.
func (r *requalifier) space(prefix string) string {
	b := r.bound(prefix)
	if b.Space == r.element.content && (r.all || b.outside) {
		return ClientSpace
	}
	return b.Space
}

// attributes copies the tag's attributes, all but declarations of a default namespace. Before one
// whose prefix was declared outside, the declaration is written.
func (r *requalifier) attributes(dst []byte, tag tokens) []byte {
	for {
		name, value := tag.attr()
		if name == nil {
			return dst
		}
		if string(name) == "xmlns" {
			continue
		}
		if prefix, _ := splitName(str(name)); prefix != "" {
			if b := r.bound(prefix); b != nil && !b.written {
				dst = appendDeclaration(dst, prefix, b.Space)
				r.scope = append(r.scope, scoped{Binding: b.Binding, outside: b.outside, written: true})
			}
		}
		quote := byte('\'')
		if bytes.IndexByte(value, quote) >= 0 {
			quote = '"' // which it was then in the input
		}
		dst = append(append(append(dst, ' '), name...), '=', quote)
		dst = append(append(dst, value...), quote)
	}
}
