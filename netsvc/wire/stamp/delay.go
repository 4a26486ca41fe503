package stamp

import (
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// Space is the namespace of the delay element.
const Space = "urn:xmpp:delay"

// ErrDelay is a delay element without a stamp, or from no valid address.
const ErrDelay = Error("not a delay element with a stamp and a valid address")

// unsetReason is how a delay tells that the clock was not set, in the only
// place that XEP-0203 leaves for it: a text for human readers. We know our own
// text again when it comes back out of the store.
const unsetReason = "clock not set"

// Delay says when a stanza was first sent, or when somebody began to hold it
// back (XEP-0203).
type Delay struct {
	From   jid.JID // who says so; zero when it is not said
	Time   time.Time
	Reason string // in natural language, may be empty
	// Unset marks a stamp of a clock that was not set: it orders nothing and
	// tells nobody the time. On the wire it takes the place of Reason.
	Unset bool
}

// IsSet reports whether the clock that reads now can be believed in a program
// built at built. A board without a battery starts in 1970; no clock that is
// right shows a time before the program was made.
func IsSet(now, built time.Time) bool { return !now.Before(built) }

// Append writes the element, with milliseconds.
func (d Delay) Append(w *xmlstream.Writer) {
	reason := d.Reason
	if d.Unset {
		reason = unsetReason
	}
	w.Start(Space, "delay").AttrIf("from", d.From.String()).Attr("stamp", Format(d.Time)).Text(reason).End()
}

// ParseDelay reads a delay element. Anybody can put one into a stanza: what
// From says is a claim, and the stanza's own hops decide whether to believe it.
func ParseDelay(n *xmlstream.Node) (Delay, error) {
	if !n.Is(Space, "delay") {
		return Delay{}, ErrDelay
	}
	d := Delay{Reason: n.Text, Unset: n.Text == unsetReason}
	if from, ok := n.Lookup("from"); ok {
		address, err := jid.Parse(from)
		if err != nil {
			return Delay{}, ErrDelay
		}
		d.From = address
	}
	moment, err := Parse(n.Attr("stamp"))
	if err != nil {
		return Delay{}, err
	}
	d.Time = moment
	if d.Unset {
		d.Reason = ""
	}
	return d, nil
}
