package xmpp

import (
	"fmt"
	"slices"
)

// Order is the order in which extensions act at every hook point, first to
// last. It is one list of names in one file, so that "does blocking come before
// the archive?" has one place to be answered. Names without an extension in this
// build are skipped; a hook whose name is missing here is refused at start.
var order = []string{
	"blocking",   // what is blocked must leave no trace: before everything that stores or answers
	"roster",     // subscription stanzas change state before presence looks at it
	"presence",   // probes and broadcasts, on the subscription state that roster left
	"archive",    // stamps stanza-id, so that carbons and the offline copy carry it
	"carbons",    // copies what the archive stamped
	"offline",    // last resort of a message no session took
	"csi",        // holds back at the client's door, after every decision to send
	"ping",       // the rest only answers requests or watches
	"last",       //
	"register",   //
	"announce",   //
	"statistics", //
}

// Rank returns the place of an extension in Order.
func Rank(name string) (int, error) {
	i := slices.Index(order, name)
	if i < 0 {
		return 0, fmt.Errorf("xmpp: extension %q adds a hook but has no place in Order", name)
	}
	return i, nil
}
