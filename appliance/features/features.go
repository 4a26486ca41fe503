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
	"strings"
)

// Feature is one thing that a build may leave out.
type Feature struct {
	Name    string // in omit_NAME; of an extension, what it registers as
	Section string // of the configuration: a file that has it needs the feature
	Package string // what the file imports
	Summary string // what is lost without it
}

// Find returns the feature of that name.
func Find(name string) (Feature, bool) {
	for _, f := range Table {
		if f.Name == name {
			return f, true
		}
	}
	return Feature{}, false
}

// Absent tells which feature a section belongs to that nothing in this build has declared.
func Absent(section string) (feature string, ok bool) {
	for _, f := range Table {
		if section == f.Section || strings.HasPrefix(section, f.Section+".") {
			return f.Name, true
		}
	}
	return "", false
}
