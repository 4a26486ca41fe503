// Package mibtest looks at groups as a manager would, for the tests of those who make them.
package mibtest

import (
	"testing"
	"time"

	"linnet/netsvc/snmp/mib"
)

// Instance is one step of a walk.
type Instance struct {
	OID   mib.OID
	Value mib.Value
}

// Tree puts groups together; a mistake fails the test.
func Tree(t testing.TB, groups ...mib.Group) *mib.Tree {
	t.Helper()
	tree, err := mib.NewTree(groups...)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Walk walks the whole tree and fails the test when that is not strictly increasing, when a value is not of the
// kind its object declares, when an instance that a walk shows cannot be got, or when version 1 is shown 64 bits.
// It returns what a walk with version 2c or 3 sees.
func Walk(t testing.TB, tree *mib.Tree) []Instance {
	t.Helper()
	walk(t, tree, true)
	return walk(t, tree, false)
}

func walk(t testing.TB, tree *mib.Tree, v1 bool) []Instance {
	t.Helper()
	objects := tree.Objects()
	r := &mib.Request{Now: time.Now(), V1: v1}
	var seen []Instance
	at := mib.OID{0, 0}
	for {
		next, v := tree.Next(r, at, nil)
		if v.Kind() == mib.EndOfMIBView {
			return seen
		}
		if next.Compare(at) <= 0 {
			t.Fatalf("%s follows %s", next, at)
		}
		object, found := mib.Object{}, false
		for _, o := range objects {
			if next.HasPrefix(o.OID) {
				object, found = o, true
			}
		}
		switch {
		case !found:
			t.Errorf("%s is an instance of nothing declared", next)
		case object.Kind != v.Kind():
			t.Errorf("%s (%s) is a %s, declared as %s", next, object.Name, v.Kind(), object.Kind)
		case v1 && v.Kind() == mib.Counter64:
			t.Errorf("%s (%s) is a Counter64 in version 1", next, object.Name)
		}
		if got := tree.Get(r, next); got.Kind() != v.Kind() {
			t.Errorf("%s is %s in a walk and %s when asked for", next, v.Kind(), got.Kind())
		}
		seen = append(seen, Instance{next, v})
		at = next
		if len(seen) > 1<<20 {
			t.Fatal("the walk does not end")
		}
	}
}

// Get returns the value of an object or instance, "1.3.6.1.2.1.1.3.0"; an exception fails the test.
func Get(t testing.TB, tree *mib.Tree, oid string) mib.Value {
	t.Helper()
	v := tree.Get(&mib.Request{Now: time.Now()}, mib.MustParseOID(oid))
	if v.Kind().Exception() {
		t.Errorf("%s: %s", oid, v)
	}
	return v
}
