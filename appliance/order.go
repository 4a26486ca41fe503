package appliance

import (
	"slices"

	"linnet/netsvc/module"
)

// Order is the order in which services start, and the reverse of that in which they stop. What is not in this
// build is skipped; what is not in the list comes after it, by name.
var Order = []string{
	baseName,  // options and commands of the appliance itself
	"account", // before all who ask who somebody is
	"quota",   // the ledger, before who relays
	"cert",
	"xmpp",
	"c2s", "s2s", "component", "bosh", "websocket", // the edges, after what they lead to
}

// ordered returns infos, which are sorted by name, in the order of Order.
func ordered(infos []module.Info) []module.Info {
	var list []module.Info
	for _, name := range Order {
		for _, info := range infos {
			if info.Name == name {
				list = append(list, info)
			}
		}
	}
	for _, info := range infos {
		if !slices.Contains(Order, info.Name) {
			list = append(list, info)
		}
	}
	return list
}
