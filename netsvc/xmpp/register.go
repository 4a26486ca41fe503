package xmpp

import (
	"slices"
	"strings"
)

var registered []Info // sorted by name

// Register adds an extension's factory; called from init functions only. A name
// registered twice is a programming error and panics.
func Register(i Info) {
	at, found := slices.BinarySearchFunc(registered, i.Name, func(r Info, name string) int { return strings.Compare(r.Name, name) })
	if found {
		panic("xmpp: extension registered twice: " + i.Name)
	}
	registered = append(registered, i) // by hand: slices.Insert is 1.4 KB of code for each type
	copy(registered[at+1:], registered[at:])
	registered[at] = i
}

// All returns the extensions of this build, sorted by name.
func All() []Info { return slices.Clone(registered) }
