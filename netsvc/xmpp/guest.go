package xmpp

import (
	"context"
	"net/netip"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// Guest is a client that has not logged in: one for each stream.
type Guest struct {
	Host   string     // the domain it wants to
	Addr   netip.Addr // where it comes from
	Secure bool       // TLS protects the stream
	// Notes is what an extension remembers of it between two requests.
	Notes map[string]string
}

// GuestIQ declares who answers requests of clients that have not logged in:
// registration is what needs it.
type GuestIQ struct {
	Space, Local string
	Feature      func(*Guest) []byte // offered before authentication; nil element: not to this one
	// Answer makes the result, or the error. It runs on the goroutine that
	// negotiates the stream and may wait.
	Answer func(ctx context.Context, g *Guest, t stanza.Type, payload *xmlstream.Node) ([]byte, *stanza.Error)
}
