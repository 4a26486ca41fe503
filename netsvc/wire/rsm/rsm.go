// Package rsm owns Result Set Management, XEP-0059 1.0: the request that pages
// through a long result, and the description of the page that answers it. How
// items are counted and found is their owner's matter.
package rsm

import (
	"strconv"
	"strings"

	"linnet/netsvc/wire/xmlstream"
)

// Space is the namespace of the set element, and the disco feature.
const Space = "http://jabber.org/protocol/rsm"

// Error says what is wrong with a request. To a peer it is bad-request.
type Error string

func (e Error) Error() string { return "rsm: " + string(e) }

// The errors of ParseRequest and ParseResult.
const (
	ErrNumber   = Error("max, index or count is not a number from 0 to 2147483647")
	ErrConflict = Error("more than one of after, before and index")
	ErrTwice    = Error("an element is there twice")
	ErrPage     = Error("first and last do not come together")
)

// Request asks for a page. The zero value asks for everything. At most one of
// After, Before and Index is in use.
type Request struct {
	// Max is the most items wanted; none is to be returned for 0, only the
	// count. It means nothing unless HasMax.
	Max    int
	HasMax bool
	// After asks for the page that follows the item of this id; "" is not in
	// use. Clients that send an empty one mean the first page, which is what
	// they get.
	After string
	// Before asks for the page that precedes the item of this id, or for the
	// last page where the id is empty; not in use unless HasBefore.
	Before    string
	HasBefore bool
	// Index asks for the page that starts so many items into the set, which
	// ids are to be preferred to; not in use unless HasIndex.
	Index    int
	HasIndex bool
}

// Parse reads the set element that is a child of n, a query. ok is false when
// there is none.
func Parse(n *xmlstream.Node) (r Request, ok bool, err error) {
	set := n.Child(Space, "set")
	if set == nil {
		return Request{}, false, nil
	}
	r, err = ParseRequest(set)
	return r, err == nil, err
}

// ParseRequest reads a set element. What it does not know it ignores.
func ParseRequest(set *xmlstream.Node) (Request, error) {
	var r Request
	hasAfter := false
	for _, kid := range kids(set) {
		var err error
		switch kid.Name.Local {
		case "max":
			err = number(kid.Text, &r.Max, &r.HasMax)
		case "index":
			err = number(kid.Text, &r.Index, &r.HasIndex)
		case "after":
			err = once(&hasAfter)
			r.After = kid.Text
		case "before":
			err = once(&r.HasBefore)
			r.Before = kid.Text
		}
		if err != nil {
			return Request{}, err
		}
	}
	// XEP-0059 gives no meaning to two of them together, and a guess would be
	// taken for an answer.
	if hasAfter && r.HasBefore || hasAfter && r.HasIndex || r.HasBefore && r.HasIndex {
		return Request{}, ErrConflict
	}
	return r, nil
}

// Limit returns how many items to give: Max, but at most most, which a server
// sets, and which stands where nothing was asked for.
func (r Request) Limit(most int) int {
	if r.HasMax && r.Max < most {
		return r.Max
	}
	return most
}

// Backwards reports whether the page ends where the request points, instead of
// beginning there.
func (r Request) Backwards() bool { return r.HasBefore }

// Append writes the request as a client does.
func (r Request) Append(w *xmlstream.Writer) {
	w.Start(Space, "set")
	if r.HasMax {
		w.Leaf("", "max", strconv.Itoa(r.Max))
	}
	if r.After != "" {
		w.Leaf("", "after", r.After)
	}
	if r.HasBefore {
		w.Leaf("", "before", r.Before)
	}
	if r.HasIndex {
		w.Leaf("", "index", strconv.Itoa(r.Index))
	}
	w.End()
}

// Result describes a page. The zero value is an empty page of a set whose size
// is not told.
type Result struct {
	// First and Last are the ids of the page's ends, both empty for an empty
	// page.
	First, Last string
	// Index is where in the set First stands, unless it is not told.
	Index    int
	HasIndex bool
	// Count is how many items the whole set has, unless it is not told.
	Count    int
	HasCount bool
}

// Append writes the set element of an answer.
func (r Result) Append(w *xmlstream.Writer) {
	w.Start(Space, "set")
	if r.First != "" {
		w.Start("", "first")
		if r.HasIndex {
			w.Attr("index", strconv.Itoa(r.Index))
		}
		w.Text(r.First).End().Leaf("", "last", r.Last)
	}
	if r.HasCount {
		w.Leaf("", "count", strconv.Itoa(r.Count))
	}
	w.End()
}

// ParseResult reads the set element of an answer, as a client does.
func ParseResult(set *xmlstream.Node) (Result, error) {
	var r Result
	hasFirst, hasLast := false, false
	for _, kid := range kids(set) {
		var err error
		switch kid.Name.Local {
		case "first":
			err = once(&hasFirst)
			r.First = kid.Text
			if index, ok := kid.Lookup("index"); ok && err == nil {
				err = number(index, &r.Index, &r.HasIndex)
			}
		case "last":
			err = once(&hasLast)
			r.Last = kid.Text
		case "count":
			err = number(kid.Text, &r.Count, &r.HasCount)
		}
		if err != nil {
			return Result{}, err
		}
	}
	if hasFirst != hasLast || (r.First == "") != (r.Last == "") {
		return Result{}, ErrPage
	}
	if r.First == "" {
		r.Index, r.HasIndex = 0, false // of nothing
	}
	return r, nil
}

// kids returns the children of set that are of this protocol.
func kids(set *xmlstream.Node) []*xmlstream.Node {
	if !set.Is(Space, "set") {
		return nil
	}
	own := make([]*xmlstream.Node, 0, len(set.Kids))
	for _, kid := range set.Kids {
		if kid.Name.Space == Space {
			own = append(own, kid)
		}
	}
	return own
}

// number reads an xs:int that is not negative, with the white space around it
// that the type permits.
func number(text string, n *int, has *bool) error {
	if err := once(has); err != nil {
		return err
	}
	value, err := strconv.ParseUint(strings.Trim(text, " \t\r\n"), 10, 31)
	if err != nil {
		return ErrNumber
	}
	*n = int(value)
	return nil
}

func once(has *bool) error {
	if *has {
		return ErrTwice
	}
	*has = true
	return nil
}
