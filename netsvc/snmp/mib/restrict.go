package mib

// View tells which objects somebody may see.
type View interface {
	// Contains tells whether an instance, or everything below a root but for what is mixed, is in the view.
	Contains(OID) bool
	// Mixed tells whether something below this root may be judged otherwise than the root.
	Mixed(OID) bool
}

// Restrict returns the part of the tree that is in a view. Both share what they show, tables' snapshots
// included; who asks the result pays nothing for the view but where it cuts a table in two.
func (t *Tree) Restrict(v View) *Tree {
	part := &Tree{groups: t.groups, view: v}
	for _, n := range t.nodes {
		switch {
		case v.Mixed(n.oid):
			cut := *n
			cut.handler = &filter{n.handler, n.oid, v}
			part.nodes = append(part.nodes, &cut)
		case v.Contains(n.oid):
			part.nodes = append(part.nodes, n)
		}
	}
	if len(part.nodes) == len(t.nodes) {
		same := true
		for i, n := range part.nodes {
			same = same && n == t.nodes[i]
		}
		if same {
			part.nodes = t.nodes
		}
	}
	return part
}

// filter is a Handler of which only a part is seen.
type filter struct {
	inner Handler
	oid   OID
	view  View
}

// Get implements Handler.
func (f *filter) Get(r *Request, rest OID) Value {
	if !f.view.Contains(f.oid.With(rest...)) {
		return Exceptional(NoSuchObject)
	}
	return f.inner.Get(r, rest)
}

// Next implements Handler.
func (f *filter) Next(r *Request, rest, dst OID) (OID, Value) {
	start := len(dst)
	for {
		next, v := f.inner.Next(r, rest, dst[:start])
		if v.IsNone() || v.kind.Exception() || f.view.Contains(next) {
			return next, v
		}
		rest = append(OID(nil), next[start:]...) // seldom: views cut tables where somebody wants one row
	}
}

// Test implements Writer.
func (f *filter) Test(r *Request, rest OID, v Value) (Change, Status) {
	if w, ok := f.inner.(Writer); ok {
		return w.Test(r, rest, v)
	}
	return Change{}, NotWritable
}
