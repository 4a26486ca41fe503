// Package transfer is the seam between who relays files (netsvc/socks5), who speaks
// for it to users (the extension bytestreams), and who may have a say in it (billing).
// None of them knows another: they meet at the Desk, which is Live state.
//
// The package owns the contracts, and the key of a transfer as XEP-0065 1.8.2 defines
// it. It relays nothing.
package transfer

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
)

// Key is what both sides of a transfer ask the proxy for: the SHA-1 of the stream's
// id, the address of who offers the proxy and that of the other one, in hexadecimal.
// In XEP-0260 either party may offer, so who comes first says who may activate.
func Key(sid, offers, other string) string {
	sum := sha1.Sum([]byte(sid + offers + other))
	return hex.EncodeToString(sum[:])
}

// Request is what a user wants to be relayed.
type Request struct {
	Requester jid.JID // who offered the proxy and now activates: a full address
	Target    jid.JID // the other party
	At        jid.JID // the service that was asked
	SID       string
	Keys      []string // what the parties may have asked the proxy for, one of them
	Address   string   // where the requester's stream comes from, host:port; "" when not known
}

// Streamhost is where clients reach the proxy.
type Streamhost struct {
	Host string // an IP address or a name
	Port uint16
}

// Proxy relays. Its methods may be called from anywhere and do not block.
type Proxy interface {
	// Streamhosts lists where the proxy is reached, best first.
	Streamhosts() []Streamhost
	// Activate begins a transfer of which both sides are connected. done is called
	// once, from any goroutine: with nil when bytes may flow, with ErrUnknown,
	// ErrAlone, a *Refusal or a *quota.Limit when they may not, or with another error
	// when something is broken.
	Activate(r Request, done func(error))
}

// The errors of Activate.
var (
	ErrUnknown = errors.New("transfer: nobody is connected for it")
	ErrAlone   = errors.New("transfer: only one party is connected")
)

// Refusal is a transfer that the rules do not allow. Reason is public.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

// Notice tells that a transfer was ended, or not begun, against the will of its
// users: Cause is a *quota.Limit or a *Refusal.
type Notice struct {
	Request Request
	Cause   error
}

// Decision is the answer of a hook.
type Decision struct {
	Deny   bool
	Reason string // public, of a denial
	Limit  int64  // bytes that this transfer may have; 0: no limit of its own
}

// Allow is asked before a transfer begins. ctx ends when the answer is no longer
// waited for, which counts as a denial. Many calls may be under way.
type Allow func(ctx context.Context, r Request) Decision

// Of returns the node's desk, the same for all who ask, over all generations.
func Of(h module.Host) *Desk { return module.Live(h, "transfer", NewDesk) }

// Desk is where the parts meet. Safe for concurrent use.
type Desk struct {
	proxy  atomic.Pointer[Proxy]
	teller atomic.Pointer[func(Notice)]

	mu    sync.Mutex
	hooks []hook // sorted by name
}

type hook struct {
	name  string
	allow Allow
}

// NewDesk returns a Desk at which nobody is.
func NewDesk() *Desk { return new(Desk) }

// Offer says who relays; nil: nobody any more.
func (d *Desk) Offer(p Proxy) {
	if p == nil {
		d.proxy.Store(nil)
		return
	}
	d.proxy.Store(&p)
}

// Proxy is who relays, nil for nobody.
func (d *Desk) Proxy() Proxy {
	if p := d.proxy.Load(); p != nil {
		return *p
	}
	return nil
}

// Tell says who brings notices to users.
func (d *Desk) Tell(f func(Notice)) { d.teller.Store(&f) }

// Notify brings a notice to the users.
func (d *Desk) Notify(n Notice) {
	if f := d.teller.Load(); f != nil {
		(*f)(n)
	}
}

// Hook puts a hook in force under a name, in place of an older one of that name; nil
// takes it away.
func (d *Desk) Hook(name string, f Allow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hooks := slices.DeleteFunc(slices.Clone(d.hooks), func(h hook) bool { return h.name == name })
	if f != nil {
		hooks = append(hooks, hook{name, f})
	}
	slices.SortFunc(hooks, func(a, b hook) int { return strings.Compare(a.name, b.name) })
	d.hooks = hooks
}

// Allow asks all hooks, one after another, for at most the time given in all. The
// limit is the least of theirs, 0 for none.
func (d *Desk) Allow(r Request, within time.Duration) (limit int64, err error) {
	d.mu.Lock()
	hooks := d.hooks
	d.mu.Unlock()
	if len(hooks) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, h := range hooks {
		answer := make(chan Decision, 1)
		go func() { answer <- h.allow(ctx, r) }()
		select {
		case a := <-answer:
			switch {
			case a.Deny && a.Reason == "":
				return 0, &Refusal{"this transfer is not allowed"}
			case a.Deny:
				return 0, &Refusal{a.Reason}
			case a.Limit > 0 && (limit == 0 || a.Limit < limit):
				limit = a.Limit
			}
		case <-ctx.Done():
			return 0, &Refusal{"nobody could say in time whether this transfer is allowed"}
		}
	}
	return limit, nil
}
