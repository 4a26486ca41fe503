// Package features is what a build of linnet is made of: importing it links every feature that the build tags
// leave in.
//
// Each optional feature is one file here, named like it:
//
//	//go:build !omit_carbons
//
//	package features
//
//	import _ "linnet/netsvc/xmpp/mod/carbons"
//
// and one row of Table. A plain `go build` has everything; `go build -tags omit_carbons,omit_archive` has all but
// those two; a firmware profile is a list of the names that stay. What is not optional is in always.go.
package features

import (
	"slices"
	"strings"

	"linnet/netsvc/module"
	"linnet/netsvc/xmpp"
)

// Feature is one thing that a build may leave out.
type Feature struct {
	Name    string // in omit_NAME
	Section string // of the configuration: a file that has it needs the feature
	Package string // what the feature's file imports
	Summary string // what is lost without it
}

// Linked tells whether the feature is in this build: extensions are registered with the XMPP server, services
// with the appliance.
func (f Feature) Linked() bool {
	if name, ok := strings.CutPrefix(f.Section, "xmpp."); ok {
		return slices.ContainsFunc(xmpp.All(), func(i xmpp.Info) bool { return i.Name == name })
	}
	return slices.ContainsFunc(module.All(), func(i module.Info) bool { return i.Name == f.Section })
}

// Absent tells which feature a section of the configuration belongs to that is not in this build.
func Absent(section string) (feature string, ok bool) {
	for _, f := range Table {
		if (section == f.Section || strings.HasPrefix(section, f.Section+".")) && !f.Linked() {
			return f.Name, true
		}
	}
	return "", false
}
