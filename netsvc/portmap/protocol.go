package portmap

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"linnet/netsvc/outside"
	"linnet/netsvc/wire/igd"
	"linnet/netsvc/wire/natpmp"
	"linnet/netsvc/wire/pcp"
)

// protocol is one way of talking to one router. It is used by one goroutine.
type protocol interface {
	name() string
	// open finds out whether the router speaks it.
	open(context.Context) error
	// add makes a mapping or renews it. external is the port that is suggested or was given before.
	add(ctx context.Context, t outside.Target, external uint16, lifetime time.Duration) (grant, error)
	// remove ends a mapping that add made.
	remove(ctx context.Context, t outside.Target, external uint16) error
	// check asks a sign of life, which address and lost then tell about.
	check(context.Context) error
	// address is the router's address outside as it was last heard; zero while it is not known.
	address() netip.Addr
	// lost tells, once, that the router was heard to have forgotten its mappings.
	lost() bool
	close()
}

// grant is what a router gave.
type grant struct {
	external uint16
	lifetime time.Duration // 0 for ever
}

// The ways in which a router does not answer. Any other error is its answer.
var (
	errSilent  = errors.New("the router does not answer")
	errRefused = errors.New("nothing listens at the router")
	errForeign = errors.New("the router speaks another protocol")
)

// laterError is a refusal of which the router says for how long it will last.
type laterError struct {
	cause error
	after time.Duration
}

func (e *laterError) Error() string { return e.cause.Error() }
func (e *laterError) Unwrap() error { return e.cause }

// homeless tells whether a refusal is one of those by which routers say that they have no address to give ports of:
// their line is down, or they stand behind another router. miniupnpd, which most routers run, keeps its private
// address for itself and answers like this, so that it is the only sign.
func homeless(err error) bool {
	return errors.Is(err, pcp.NetworkFailure) || errors.Is(err, pcp.NoResources) || errors.Is(err, pcp.NoExternal) ||
		errors.Is(err, natpmp.NetworkFailure) || faulty(err, igd.ActionFailed)
}

// epoch follows the clock that PCP and NAT-PMP routers show in every answer: seconds since they have known their
// mappings. It tells when the router has begun anew, RFC 6887 section 8.5 (RFC 6886 section 3.6 is a laxer form).
type epoch struct {
	known  bool
	server uint32
	at     time.Time
	reset  bool
}

// see takes the clock of an answer that came now.
func (e *epoch) see(server uint32, now time.Time) {
	if e.known {
		// One second may be the rounding, two the network's.
		ours, theirs := int64(now.Sub(e.at)/time.Second), int64(server)-int64(e.server)
		if theirs < -1 || ours+2 < theirs-theirs/16 || theirs+2 < ours-ours/16 {
			e.reset = true
		}
	}
	e.known, e.server, e.at = true, server, now
}

// lost implements protocol.
func (e *epoch) lost() bool {
	was := e.reset
	e.reset = false
	return was
}

// seconds is a lifetime as protocols write it.
func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }
