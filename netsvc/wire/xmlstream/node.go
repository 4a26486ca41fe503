package xmlstream

// Name is an expanded name.
type Name struct{ Space, Local string }

// Attr is an attribute with its namespace resolved and its value unescaped. An attribute without
// a prefix is in no namespace.
type Attr struct {
	Name
	Value string
}

// Node is an element as a tree. All its readers take a nil *Node for an element without anything
// in it, so that a chain of them needs no checks. A tree is not changed after it was made, and
// may be shared.
type Node struct {
	Name  Name
	Attrs []Attr // without namespace declarations
	Kids  []*Node
	Text  string // its own character data, joined
	Raw   []byte // its bytes; prefixes may be declared outside of them
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
