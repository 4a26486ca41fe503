package xmpp

import (
	"slices"
	"strings"
)

var registered []Info

// Register adds an extension's factory; called from init functions only. A name
// registered twice is a programming error and panics.
func Register(i Info) {
	for _, r := range registered {
		if r.Name == i.Name {
			panic("xmpp: extension registered twice: " + i.Name)
		}
	}
	registered = append(registered, i)
}

// All returns the extensions of this build, sorted by name.
func All() []Info {
	all := slices.Clone(registered)
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}
