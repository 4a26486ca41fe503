package disco

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"sort"
	"strings"

	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/xmlstream"
)

// CapsSpace is the namespace of the c element, and the disco feature.
const CapsSpace = "http://jabber.org/protocol/caps"

// HashName is the one hash function that XEP-0115 makes mandatory, and the
// only one in use.
const HashName = "sha-1"

// The errors of ParseCaps, Check and Verify.
const (
	ErrCaps     = Error("not entity capabilities with a node and a version")
	ErrHash     = Error("unknown hash function")
	ErrMismatch = Error("the hash does not match")
	ErrIdentity = Error("an identity is there twice")
	ErrFeature  = Error("a feature is there twice")
	ErrForm     = Error("two forms are of one type, or a form is of two")
	ErrBracket  = Error("a text holds the character that separates texts")
)

// Caps is what presence says of an entity's abilities: the hash of an Info.
type Caps struct {
	Hash string // name of the hash function; "" before version 1.4 of XEP-0115
	Node string // a URI that names the software
	Ver  string // the hash
}

// InfoNode returns the node to ask for the Info that was hashed.
func (c Caps) InfoNode() string { return c.Node + "#" + c.Ver }

// Append writes the c element.
func (c Caps) Append(w *xmlstream.Writer) {
	w.Start(CapsSpace, "c").AttrIf("hash", c.Hash).Attr("node", c.Node).Attr("ver", c.Ver).End()
}

// ParseCaps reads a c element.
func ParseCaps(n *xmlstream.Node) (Caps, error) {
	c := Caps{Hash: n.Attr("hash"), Node: n.Attr("node"), Ver: n.Attr("ver")}
	if !n.Is(CapsSpace, "c") || c.Node == "" || c.Ver == "" {
		return Caps{}, ErrCaps
	}
	return c, nil
}

// Verify reports whether info is what c is the hash of (XEP-0115 section 5.4).
// Only where it returns nil may info be remembered for everybody who shows the
// same hash. ErrHash, which every legacy entity gets too, says that nothing
// can be said: info then holds for this entity alone.
//
// The string that is hashed is not unambiguous by itself: a form could pose as
// features. XEP-0390 exists for that; what can be had here is Check.
func (c Caps) Verify(info *Info) error {
	if c.Hash != HashName {
		return ErrHash
	}
	if err := info.Check(); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(info.Ver()), []byte(c.Ver)) != 1 {
		return ErrMismatch
	}
	return nil
}

// Check reports why an answer is ill-formed by the rules of XEP-0115 section
// 5.4, or nil. It also refuses texts with a "<", which separates the texts in
// what is hashed: with one, a feature could be split into two.
func (i *Info) Check() error {
	for n, identity := range i.Identities {
		if slices.Contains(i.Identities[:n], identity) {
			return ErrIdentity
		}
	}
	features := slices.Clone(i.Features)
	slices.Sort(features)
	for n := 1; n < len(features); n++ {
		if features[n] == features[n-1] {
			return ErrFeature
		}
	}
	types := make([]string, 0, len(i.Forms))
	for _, f := range i.Forms {
		field := f.Field(form.TypeField)
		if field == nil || len(field.Values) == 0 {
			continue // ignored, see extended
		}
		for _, value := range field.Values {
			if value != field.Values[0] {
				return ErrForm
			}
		}
		if slices.Contains(types, field.Values[0]) {
			return ErrForm
		}
		types = append(types, field.Values[0])
	}
	if slices.ContainsFunc(i.texts(), func(text string) bool { return strings.Contains(text, "<") }) {
		return ErrBracket
	}
	return nil
}

// Ver returns the verification string of XEP-0115 section 5.1 with SHA-1. Of
// an answer that Check refuses it means nothing.
func (i *Info) Ver() string {
	hash := sha1.New()
	for _, text := range i.texts() {
		hash.Write([]byte(text))
		hash.Write([]byte{'<'})
	}
	return base64.StdEncoding.EncodeToString(hash.Sum(nil))
}

// texts returns what is hashed, in its order. Comparing strings of Go is the
// i;octet collation that the XEP asks for.
func (i *Info) texts() []string {
	identities := slices.Clone(i.Identities)
	// Package sort here and below: package slices would compile 5 to 10 KB of code for each type.
	sort.SliceStable(identities, func(x, y int) bool {
		a, b := &identities[x], &identities[y]
		return slices.Compare([]string{a.Category, a.Type, a.Lang, a.Name}, []string{b.Category, b.Type, b.Lang, b.Name}) < 0
	})
	var texts []string
	for _, identity := range identities {
		texts = append(texts, identity.Category+"/"+identity.Type+"/"+identity.Lang+"/"+identity.Name)
	}
	features := slices.Clone(i.Features)
	slices.Sort(features)
	texts = append(texts, features...)
	for _, f := range i.extended() {
		texts = append(texts, f.FormType())
		fields := slices.Clone(f.Fields)
		sort.SliceStable(fields, func(a, b int) bool { return fields[a].Var < fields[b].Var })
		for _, field := range fields {
			if field.Var == form.TypeField {
				continue
			}
			texts = append(append(texts, field.Var), slices.Sorted(slices.Values(field.Values))...)
		}
	}
	return texts
}

// extended returns the forms that count, sorted by type: those whose FORM_TYPE
// is hidden and not absent (section 5.4, rule 3.6).
func (i *Info) extended() []*form.Form {
	var forms []*form.Form
	for _, f := range i.Forms {
		if field := f.Field(form.TypeField); field != nil && field.Type == form.Hidden && len(field.Values) > 0 {
			forms = append(forms, f)
		}
	}
	sort.SliceStable(forms, func(a, b int) bool { return forms[a].FormType() < forms[b].FormType() })
	return forms
}
