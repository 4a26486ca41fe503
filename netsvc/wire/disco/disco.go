// Package disco owns service discovery, XEP-0030 2.5.0: what an entity is and
// can do (info), and what else it knows (items); the extended information of
// XEP-0128 that goes with it; and the hash of all this that travels in
// presence, XEP-0115 1.6.0. Who answers with what is decided elsewhere.
package disco

import (
	"slices"

	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// The namespaces of the two queries, which are their disco features as well.
const (
	InfoSpace  = "http://jabber.org/protocol/disco#info"
	ItemsSpace = "http://jabber.org/protocol/disco#items"
)

// Error says what is wrong with a query, a hash or what was hashed.
type Error string

func (e Error) Error() string { return "disco: " + string(e) }

// ErrQuery is an element that is not the query asked for.
const ErrQuery = Error("not a disco query")

// Identity is one of the things that an entity is, in one language.
type Identity struct {
	Category, Type string // from the registry of the XSF; never empty
	Lang           string // of Name; may be empty
	Name           string // for humans; may be empty
}

// Info is what an entity, or a node at it, tells of itself.
type Info struct {
	Node       string
	Identities []Identity
	Features   []string
	Forms      []*form.Form // extended information, each of type form.Result
}

// Add appends features that are not there yet.
func (i *Info) Add(features ...string) {
	for _, feature := range features {
		if !i.Has(feature) {
			i.Features = append(i.Features, feature)
		}
	}
}

// Has reports whether a feature is there. It accepts a nil Info.
func (i *Info) Has(feature string) bool {
	return i != nil && slices.Contains(i.Features, feature)
}

// Is reports whether an identity of that category and type is there; an empty
// type stands for any. It accepts a nil Info.
func (i *Info) Is(category, kind string) bool {
	return i != nil && slices.ContainsFunc(i.Identities, func(identity Identity) bool {
		return identity.Category == category && (kind == "" || identity.Type == kind)
	})
}

// Form returns the extended information of that FORM_TYPE, or nil. It accepts
// a nil Info.
func (i *Info) Form(formType string) *form.Form {
	if i != nil {
		for _, f := range i.Forms {
			if f.FormType() == formType {
				return f
			}
		}
	}
	return nil
}

// Append writes the query element of an answer.
func (i *Info) Append(w *xmlstream.Writer) {
	w.Start(InfoSpace, "query").AttrIf("node", i.Node)
	for _, identity := range i.Identities {
		w.Start("", "identity").Attr("category", identity.Category).Attr("type", identity.Type).
			AttrIf("xml:lang", identity.Lang).AttrIf("name", identity.Name).End()
	}
	for _, feature := range i.Features {
		w.Start("", "feature").Attr("var", feature).End()
	}
	for _, f := range i.Forms {
		f.Append(w)
	}
	w.End()
}

// ParseInfo reads the query element of an answer. An identity or feature that
// is not complete, and a form that is none, is left out: an answer with one
// mistake in it is still useful. A hash over it will not match, though.
func ParseInfo(n *xmlstream.Node) (*Info, error) {
	if !n.Is(InfoSpace, "query") {
		return nil, ErrQuery
	}
	info := &Info{Node: n.Attr("node")}
	for _, kid := range n.Kids {
		switch {
		case kid.Is(InfoSpace, "identity"):
			identity := Identity{Category: kid.Attr("category"), Type: kid.Attr("type"), Lang: kid.Lang(), Name: kid.Attr("name")}
			if identity.Category != "" && identity.Type != "" {
				info.Identities = append(info.Identities, identity)
			}
		case kid.Is(InfoSpace, "feature"):
			if feature := kid.Attr("var"); feature != "" {
				info.Features = append(info.Features, feature)
			}
		case kid.Is(form.Space, "x"):
			if f, err := form.Parse(kid); err == nil && f.Type == form.Result {
				info.Forms = append(info.Forms, f)
			}
		}
	}
	return info, nil
}

// Item is something that an entity knows: another entity, or a node at one.
type Item struct {
	JID  jid.JID
	Node string // may be empty
	Name string // for humans; may be empty
}

// Items is the list of what an entity, or a node at it, knows.
type Items struct {
	Node  string
	Items []Item
}

// Append writes the query element of an answer. Where the list is one page of
// a longer one, page writes the description of the page into it; else nil.
func (i *Items) Append(w *xmlstream.Writer, page func(*xmlstream.Writer)) {
	w.Start(ItemsSpace, "query").AttrIf("node", i.Node)
	for _, item := range i.Items {
		w.Start("", "item").Attr("jid", item.JID.String()).AttrIf("node", item.Node).AttrIf("name", item.Name).End()
	}
	if page != nil {
		page(w)
	}
	w.End()
}

// ParseItems reads the query element of an answer. Items without a valid
// address are left out.
func ParseItems(n *xmlstream.Node) (*Items, error) {
	if !n.Is(ItemsSpace, "query") {
		return nil, ErrQuery
	}
	items := &Items{Node: n.Attr("node")}
	for _, kid := range n.Kids {
		if !kid.Is(ItemsSpace, "item") {
			continue
		}
		if address, err := jid.Parse(kid.Attr("jid")); err == nil {
			items.Items = append(items.Items, Item{JID: address, Node: kid.Attr("node"), Name: kid.Attr("name")})
		}
	}
	return items, nil
}
