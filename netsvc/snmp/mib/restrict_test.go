package mib_test

import (
	"strings"
	"testing"
	"time"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
)

// rules is a view: the longest prefix decides.
type rules map[string]bool

func (v rules) Contains(oid mib.OID) bool {
	length, in := -1, false
	for text, include := range v {
		if at := rest(text); oid.HasPrefix(at) && len(at) > length {
			length, in = len(at), include
		}
	}
	return in
}

func (v rules) Mixed(oid mib.OID) bool {
	for text := range v {
		if at := rest(text); len(at) > len(oid) && at.HasPrefix(oid) {
			return true
		}
	}
	return false
}

// rest is what stands below base.
func rest(text string) mib.OID { return append(base.With(), mib.MustParseOID("1.3." + text)[2:]...) }

// A view may cut a table anywhere: what it hides is neither got nor walked over nor set.
func TestRestrict(t *testing.T) {
	fills := 0
	whole := mibtest.Tree(t, groups(&fills))
	for _, tc := range []struct {
		name string
		view rules
		want string
	}{
		{"nothing", rules{}, ""},
		{"everything", rules{"0": false, "1": true, "2": true, "4": true, "9": true}, "1.0 2.1.2.2 2.1.2.4 2.1.2.7 2.1.3.2 2.1.3.7 2.1.5.2 2.1.5.4 2.1.5.7 4.0 9.0"},
		{"one object", rules{"4": true}, "4.0"},
		{"one instance", rules{"4.0": true, "1.1": true}, "4.0"},
		{"a column", rules{"2.1.3": true}, "2.1.3.2 2.1.3.7"},
		{"a row", rules{"2.1.2.4": true, "2.1.3.4": true, "2.1.5.4": true}, "2.1.2.4 2.1.5.4"},
		{"all but a row", rules{"2": true, "2.1.2.4": false, "2.1.5.4": false}, "2.1.2.2 2.1.2.7 2.1.3.2 2.1.3.7 2.1.5.2 2.1.5.7"},
		{"all but the end", rules{"2": true, "2.1.5": false}, "2.1.2.2 2.1.2.4 2.1.2.7 2.1.3.2 2.1.3.7"},
	} {
		part := whole.Restrict(tc.view)
		r := &mib.Request{Now: time.Now()}
		var walked []string
		for at := (mib.OID{0, 0}); ; {
			next, v := part.Next(r, at, nil)
			if v.Kind() == mib.EndOfMIBView {
				break
			}
			walked, at = append(walked, strings.TrimPrefix(next.String(), base.String()+".")), next
		}
		if got := strings.Join(walked, " "); got != tc.want {
			t.Errorf("%s: walked %q, want %q", tc.name, got, tc.want)
		}
		for _, i := range mibtest.Walk(t, whole) {
			_, status := part.Test(r, i.OID, i.Value)
			if seen := !part.Get(r, i.OID).Kind().Exception(); seen != tc.view.Contains(i.OID) || (status == mib.NoAccess) == seen {
				t.Errorf("%s: %s is seen: %v; set it: %d", tc.name, i.OID, seen, status)
			}
		}
	}
}
