package mib

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// Tree is everything that an agent shows. It does not change: a new generation has a new one. Safe for concurrent
// use.
type Tree struct {
	groups []Group
	nodes  []*node
	view   View // whose part this is; nil for all
}

type node struct {
	oid     OID
	group   int
	name    string
	handler Handler
}

// NewTree puts groups together. What is wrong with them is in the error, and left out: columns out of order,
// objects within others, names twice. The tree is there in any case.
func NewTree(groups ...Group) (*Tree, error) {
	t := &Tree{groups: groups}
	var errs []error
	for i := range groups {
		g := &groups[i]
		for n := range g.Scalars {
			s := &g.Scalars[n]
			if s.Get == nil || s.Kind == 0 {
				errs = append(errs, fmt.Errorf("%s: %s has no value or kind", g.Name, s.Name))
				continue
			}
			t.nodes = append(t.nodes, &node{s.OID, i, s.Name, scalarNode{s}})
		}
		for n := range g.Tables {
			table := &g.Tables[n]
			if err := table.check(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", g.Name, err))
				continue
			}
			t.nodes = append(t.nodes, &node{table.Entry, i, table.Name, &tableNode{Table: table}})
		}
		for _, s := range g.Subtrees {
			t.nodes = append(t.nodes, &node{s.OID, i, s.Name, s.Handler})
		}
	}
	sort.SliceStable(t.nodes, func(a, b int) bool { return t.nodes[a].oid.Compare(t.nodes[b].oid) < 0 })
	kept := t.nodes[:0]
	for _, n := range t.nodes {
		if len(n.oid) < 2 {
			errs = append(errs, fmt.Errorf("%s: %s has no place", groups[n.group].Name, n.name))
		} else if last := len(kept) - 1; last >= 0 && n.oid.HasPrefix(kept[last].oid) {
			errs = append(errs, fmt.Errorf("%s: %s (%s) stands within %s", groups[n.group].Name, n.name, n.oid, kept[last].name))
		} else {
			kept = append(kept, n)
		}
	}
	t.nodes = slices.Clip(kept)
	return t, errors.Join(errs...)
}

func (t *Table) check() error {
	if t.Fill == nil || len(t.Columns) == 0 {
		return errors.New(t.Name + " has no rows or no columns")
	}
	for i, c := range t.Columns {
		if c.ID == 0 || c.Kind == 0 || i > 0 && c.ID <= t.Columns[i-1].ID {
			return fmt.Errorf("%s: column %s has no number, no kind or stands out of order", t.Name, c.Name)
		}
	}
	return nil
}

// Groups lists the groups, in the order they were given.
func (t *Tree) Groups() []Group { return t.groups }

// Objects lists all scalars and columns in the order of a walk.
func (t *Tree) Objects() []Object {
	var list []Object
	for _, n := range t.nodes {
		group := t.groups[n.group].Name
		switch h := n.handler.(type) {
		case scalarNode:
			list = append(list, Object{Group: group, Name: n.name, OID: n.oid, Kind: h.Kind, Writable: h.Scalar.Set != nil})
		case *tableNode:
			for _, c := range h.Columns {
				list = append(list, Object{Group: group, Table: n.name, Name: c.Name, OID: n.oid.With(c.ID), Kind: c.Kind, Writable: h.Table.Set != nil})
			}
		case *filter:
			if l, ok := h.inner.(*tableNode); ok {
				for _, c := range l.Columns {
					list = append(list, Object{Group: group, Table: n.name, Name: c.Name, OID: n.oid.With(c.ID), Kind: c.Kind, Writable: l.Table.Set != nil})
				}
			}
		case Lister:
			for _, o := range h.Objects() {
				o.Group = group
				list = append(list, o)
			}
		}
	}
	return list
}

// place returns the last node that is not after name, -1 when all are. hint is a guess.
func (t *Tree) place(name OID, hint int) int {
	if hint < len(t.nodes) && slices.Compare(t.nodes[hint].oid, name) <= 0 &&
		(hint+1 == len(t.nodes) || slices.Compare(name, t.nodes[hint+1].oid) < 0) {
		return hint
	}
	low, high := 0, len(t.nodes)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if slices.Compare(t.nodes[middle].oid, name) <= 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low - 1
}

// Get returns the value of one instance, or what stands in its place.
func (t *Tree) Get(r *Request, name OID) Value {
	at := t.place(name, r.hint)
	if at < 0 || !name.HasPrefix(t.nodes[at].oid) {
		return Exceptional(NoSuchObject)
	}
	r.hint = at
	n := t.nodes[at]
	v := n.handler.Get(r, name[len(n.oid):])
	if v.IsNone() {
		return Exceptional(NoSuchInstance)
	}
	return v
}

// Next returns the first instance after name, its OID in dst[:0], with its value; EndOfMIBView and name itself
// when there is none. dst may not be name.
func (t *Tree) Next(r *Request, name, dst OID) (OID, Value) {
	at := t.place(name, r.hint)
	var rest OID
	if at >= 0 && name.HasPrefix(t.nodes[at].oid) {
		rest = name[len(t.nodes[at].oid):]
	} else {
		at++
	}
	for ; at < len(t.nodes); at, rest = at+1, nil {
		n := t.nodes[at]
		next, v := n.handler.Next(r, rest, append(dst[:0], n.oid...))
		if v.IsNone() || v.kind.Exception() {
			continue
		}
		if slices.Compare(next, name) <= 0 || !next.HasPrefix(n.oid) {
			break // a handler that goes round in circles must not make a manager do so
		}
		r.hint = at
		return next, v
	}
	return append(dst[:0], name...), Exceptional(EndOfMIBView)
}

// Test tells whether a value could be set now, as the first of the two phases of a SET.
func (t *Tree) Test(r *Request, name OID, v Value) (Change, Status) {
	if t.view != nil && !t.view.Contains(name) {
		return Change{}, NoAccess // whether it is there or not: RFC 3416 section 4.2.5
	}
	at := t.place(name, 0)
	if at < 0 || !name.HasPrefix(t.nodes[at].oid) {
		return Change{}, NotWritable
	}
	n := t.nodes[at]
	if w, ok := n.handler.(Writer); ok {
		return w.Test(r, name[len(n.oid):], v)
	}
	return Change{}, NotWritable
}
