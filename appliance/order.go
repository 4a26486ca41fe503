package appliance

import (
	"slices"
	"strings"

	"linnet/netsvc/module"
)

// Order is the order in which services start, and the reverse of that in which they stop. What is not in this
// build is skipped; what is not in the list comes after it, by name.
var Order = []string{
	baseName,  // options and commands of the appliance itself
	"account", // before all who ask who somebody is
	"cert",
	"xmpp",
	"c2s", "s2s", "component", "bosh", "websocket", // the edges, after what they lead to
}

// ordered returns infos in the order of Order.
func ordered(infos []module.Info) []module.Info {
	place := func(name string) int {
		if i := slices.Index(Order, name); i >= 0 {
			return i
		}
		return len(Order)
	}
	list := slices.Clone(infos)
	slices.SortStableFunc(list, func(a, b module.Info) int {
		if d := place(a.Name) - place(b.Name); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}
